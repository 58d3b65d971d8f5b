package server

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// burstGap ends a burst of removals, as it does for the client's guard.
const burstGap = 2 * time.Second

// guard bounds what one burst may remove, whatever the client believes. It
// holds removals and replacements of folders, never anything else.
type guard struct {
	limit    func(entries int64) int64
	replica  tree.Replica
	observer Observer

	mu    sync.Mutex
	burst int64
	most  int64
	last  time.Time
}

// allow returns nil when a may be carried out, and counts what it removes.
func (g *guard) allow(ctx context.Context, a tree.Action) error {
	removes := a.Kind == tree.Remove || a.Over == tree.Folder && a.Kind != tree.Metadata
	if g.limit == nil || !removes {
		return nil
	}
	n, err := g.replica.Count(ctx, a.Path, math.MaxInt)
	if err != nil {
		return fmt.Errorf("count what goes: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.last) > burstGap {
		all, err := g.replica.Count(ctx, tree.Root, math.MaxInt)
		if err != nil {
			return fmt.Errorf("count what there is: %w", err)
		}
		g.burst, g.most = 0, g.limit(int64(all))
	}
	if g.burst+int64(n) > g.most {
		g.observer.Held(a.Path, n)
		return fmt.Errorf("%w: more than %d at once; its own --max-delete says so", wire.ErrHeld, g.most)
	}
	g.burst += int64(n)
	g.last = time.Now()
	return nil
}
