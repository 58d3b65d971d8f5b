// Package client writes a replica on another machine, through a server there
// and any stream of bytes to it. It reads contents that are handed to it and
// the folders of a [tree.Subject]; it has no means to write a source, whatever
// a server asks for.
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/status"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Times that are decisions.
const (
	// firstRetry and lastRetry bound the pauses between attempts to connect.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
	// connectWithin bounds an attempt; a person may have to be asked nothing.
	connectWithin = 20 * time.Second
	// checkEvery is how often the server is asked how its folder is, and
	// checkIll how often when it was not well.
	checkEvery = 5 * time.Second
	checkIll   = time.Second
	// answerWithin is how long the server may take for that. Pings of the
	// connection see to a dead link besides.
	answerWithin = 30 * time.Second
)

// Options are the choices for [Open].
type Options struct {
	// Dial connects to a server. It is called once for each attempt.
	Dial func(ctx context.Context) (net.Conn, error)
	// Folder is what the server is asked for; "" where the server knows.
	Folder   string
	ReadOnly bool
	// Software and Who are what the server is told of this side.
	Software, Who string
	// Cache is of the source's contents, for [tree.ByCache]; nil for none.
	Cache tree.Cache
	// Observer is told when the server is lost and found; nil for nobody.
	Observer Observer
}

// Observer is told how the connection is. Calls come one after the other.
type Observer interface {
	// Lost: cause says why. It is told once, and then every try by Retrying.
	Lost(cause error)
	Retrying(attempt int, pause time.Duration, cause error)
	// Found: the server is there again, after that long.
	Found(away time.Duration)
}

// Replica is a folder on another machine. It implements [tree.Replica].
type Replica struct {
	// Set by Open.
	o        Options
	instance []byte
	traits   tree.Traits
	identity []byte
	software string
	packer   *zstd.Encoder
	spare    sync.Pool       // of *messages
	ctx      context.Context // ends with Close
	end      context.CancelFunc

	// Guarded by mu.
	mu     sync.Mutex
	link   *link // nil while there is none
	cause  error // why not
	ill    error // what the server last said of its folder
	survey *survey
	closed bool

	readers sync.WaitGroup
}

var _ tree.Replica = (*Replica)(nil)

// Open connects to a server. The caller calls Run, and Close at the end.
func Open(ctx context.Context, o Options) (*Replica, error) {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	r := &Replica{o: o, instance: make([]byte, 16), spare: sync.Pool{New: func() any { return &messages{} }}}
	if _, err := rand.Read(r.instance); err != nil {
		return nil, fmt.Errorf("open remote replica: %w", err)
	}
	var err error
	// Several calls pack at once; more than a few would only take memory.
	r.packer, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(4), zstd.WithWindowSize(256<<10))
	if err != nil {
		return nil, fmt.Errorf("open remote replica: %w", err)
	}
	r.ctx, r.end = context.WithCancel(context.WithoutCancel(ctx))
	l, welcome, err := r.connect(ctx)
	if err != nil {
		r.end()
		return nil, fmt.Errorf("open remote replica: %w", err)
	}
	if r.traits, err = wire.ToTraits(welcome.Traits); err != nil {
		l.close(err)
		r.end()
		return nil, fmt.Errorf("open remote replica: %w", err)
	}
	r.identity, r.software, r.link = welcome.Identity, wire.Clean(welcome.Software), l
	return r, nil
}

// Software is what the server calls itself.
func (r *Replica) Software() string { return r.software }

// connect makes one attempt.
func (r *Replica) connect(ctx context.Context) (*link, *wire.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	conn, err := r.o.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	hello := &wire.Hello{
		Software: r.o.Software, Who: r.o.Who, Folder: []byte(r.o.Folder), Instance: r.instance, ReadOnly: r.o.ReadOnly,
	}
	err = wire.SendHello(conn, hello)
	var welcome *wire.Welcome
	if err == nil {
		welcome, err = wire.ReadWelcome(conn)
	} else if w, refusal := wire.ReadWelcome(conn); w != nil {
		welcome, err = w, refusal // it said why before it hung up
	}
	if err == nil && !stop() {
		err = ctx.Err()
	}
	var silence *wire.NoiseError
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.As(err, &silence) && silence.Text == "" {
		err = fmt.Errorf("no server answered within %v", connectWithin)
	}
	if err != nil {
		conn.Close()
		if welcome == nil { // else the server itself has said why, and need not be heard twice
			err = because(err, reasonOf(conn))
		}
		return nil, nil, err
	}
	l, err := newLink(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return l, welcome, nil
}

// because returns err and the reason for it, if there is one, on one line.
func because(err, reason error) error {
	switch {
	case reason == nil:
		return err
	case err == nil:
		return reason
	}
	return fmt.Errorf("%w; %w", err, reason)
}

// reasonOf asks a connection that has more to say why it ended, as that to a
// child process does.
func reasonOf(conn net.Conn) error {
	if c, ok := conn.(interface{ Reason() error }); ok {
		return c.Reason()
	}
	return nil
}

// Run keeps the connection until ctx ends: it asks how the server's folder is,
// and connects again when the server is lost.
func (r *Replica) Run(ctx context.Context) {
	for ctx.Err() == nil {
		l := r.current()
		if l == nil {
			r.reconnect(ctx)
			continue
		}
		r.watch(ctx, l)
		select {
		case <-l.gone:
			cause := because(l.cause(), reasonOf(l.conn))
			r.mu.Lock()
			r.link, r.cause = nil, cause
			r.mu.Unlock()
			if ctx.Err() == nil {
				r.o.Observer.Lost(cause)
			}
		default:
		}
	}
}

// watch returns when the link is gone or ctx ends.
func (r *Replica) watch(ctx context.Context, l *link) {
	l.measure(ctx)
	pause := time.NewTimer(checkEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.gone:
			return
		case <-pause.C:
		}
		pause.Reset(checkEvery)
		if r.ask(ctx, l) != nil {
			pause.Reset(checkIll)
		}
	}
}

// ask asks how the server's folder is. No answer is the end of the link.
func (r *Replica) ask(ctx context.Context, l *link) error {
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	reply, err := l.tree.Check(limited, &wire.CheckRequest{})
	if err != nil {
		if ctx.Err() == nil {
			l.close(silence(limited, err))
		}
		return err
	}
	ill := wire.ToError(reply.Error)
	r.mu.Lock()
	r.ill = ill
	r.mu.Unlock()
	return ill
}

// silence says that a call had no answer.
func silence(limited context.Context, err error) error {
	if limited.Err() != nil {
		return fmt.Errorf("the server has not answered for %v", answerWithin)
	}
	return errors.New("the server does not answer: " + wire.Clean(status.Convert(err).Message()))
}

// reconnect tries until there is a link or ctx ends, with growing pauses that
// are never quite the same: many clients of one server shall not come at once.
func (r *Replica) reconnect(ctx context.Context) {
	lost := time.Now()
	pause := firstRetry
	for attempt := 1; ; attempt++ {
		jittered := pause/2 + mathrand.N(pause/2+1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(jittered):
		}
		l, welcome, err := r.connect(ctx)
		if err == nil {
			err = r.adopt(l, welcome)
		}
		if err == nil {
			r.o.Observer.Found(time.Since(lost))
			return
		}
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		r.cause = err
		r.mu.Unlock()
		pause = min(2*pause, lastRetry)
		r.o.Observer.Retrying(attempt, pause, err)
	}
}

// adopt takes a new link, unless another folder is behind it.
func (r *Replica) adopt(l *link, welcome *wire.Welcome) error {
	traits, err := wire.ToTraits(welcome.Traits)
	if err == nil && !sameTraits(traits, r.traits) {
		err = errors.New("the server's file system holds other things than at the start; restart to accept that")
	}
	if err != nil {
		l.close(err)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		l.close(net.ErrClosed)
		return net.ErrClosed
	}
	r.link, r.cause, r.ill = l, nil, nil
	if !slices.Equal(welcome.Identity, r.identity) {
		r.ill = tree.ErrReplicaReplaced
		l.alien = true
	}
	return nil
}

func sameTraits(a, b tree.Traits) bool {
	equal := slices.Equal(a.Groups, b.Groups)
	a.Groups, b.Groups = nil, nil
	return equal && fmt.Sprint(a) == fmt.Sprint(b)
}

func (r *Replica) current() *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link
}

// reach returns the link, or at once why there is none.
func (r *Replica) reach() (*link, error) {
	r.mu.Lock()
	l, cause := r.link, r.cause
	r.mu.Unlock()
	switch {
	case l == nil && cause != nil:
		return nil, fmt.Errorf("%w: %w", tree.ErrUnreachable, cause)
	case l == nil:
		return nil, tree.ErrUnreachable
	case l.alien:
		return nil, tree.ErrReplicaReplaced
	}
	select {
	case <-l.gone:
		return nil, fmt.Errorf("%w: %w", tree.ErrUnreachable, l.cause())
	default:
		return l, nil
	}
}

// Traits say what the replica can hold, as the server found out.
func (r *Replica) Traits() tree.Traits { return r.traits }

// ID is the zero ID: the folder is on another machine.
func (r *Replica) ID() tree.ID { return tree.ID{} }

// Check says how the connection and the server's folder are, as far as it is
// known here. Errors: [tree.ErrUnreachable], [tree.ErrReplicaReplaced].
func (r *Replica) Check() error {
	if _, err := r.reach(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ill
}

// Close ends the connection.
func (r *Replica) Close() error {
	r.mu.Lock()
	l := r.link
	r.link, r.cause, r.closed = nil, net.ErrClosed, true
	r.mu.Unlock()
	r.end()
	if l != nil {
		l.close(net.ErrClosed)
	}
	r.readers.Wait()
	return r.packer.Close()
}

// nobody is the Observer that tells nobody.
type nobody struct{}

func (nobody) Lost(error)                         {}
func (nobody) Retrying(int, time.Duration, error) {}
func (nobody) Found(time.Duration)                {}
