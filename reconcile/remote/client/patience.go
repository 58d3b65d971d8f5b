package client

import (
	"context"
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"time"

	"lockstep/reconcile/remote/identity"
	"lockstep/reconcile/remote/wire"
)

// OpenPatiently is [Open] that tries again until a server is there. It returns
// an error when trying again would not help, or ctx ends.
func OpenPatiently(ctx context.Context, o Options) (*Replica, error) {
	began := time.Now()
	pause := firstRetry
	for attempt := 1; ; attempt++ {
		r, err := Open(ctx, o)
		if err == nil && attempt > 1 && o.Observer != nil {
			o.Observer.Found(time.Since(began))
		}
		if err == nil || ctx.Err() != nil || IsFinal(err) {
			return r, err
		}
		if o.Observer != nil {
			if attempt == 1 {
				o.Observer.Lost(err)
			}
			o.Observer.Retrying(attempt, pause, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + mathrand.N(pause/2+1)):
		}
		pause = min(2*pause, lastRetry)
	}
}

// IsFinal reports whether somebody has to do something before another attempt
// can end otherwise: the two ends do not fit or do not trust each other.
func IsFinal(err error) bool {
	var wrong *identity.WrongIDError
	var noise *wire.NoiseError
	return errors.Is(err, wire.ErrVersion) || errors.As(err, &wrong) || errors.Is(err, fs.ErrPermission) ||
		errors.As(err, &noise) && noise.Text != ""
}
