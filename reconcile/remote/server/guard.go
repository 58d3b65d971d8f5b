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

// maxHeld paths are remembered as held; with more, the sum of what is held is
// forGood, and nothing is removed any more.
const (
	maxHeld = 1 << 16
	forGood = math.MaxInt64 / 2
)

// guard bounds what one burst may remove in a session, whatever the client
// believes. It holds removals and replacements of folders, never anything else.
// What it holds goes together or not at all, so that asking again and again does
// not get it through by and by; it is forgotten with the session.
type guard struct {
	limit    func(entries int64) int64
	replica  tree.Replica
	observer Observer

	mu    sync.Mutex
	burst int64
	most  int64
	last  time.Time
	held  map[tree.Path]int64
	sum   int64 // of held
}

// allow returns nil when a may be carried out, and counts what it removes.
func (g *guard) allow(ctx context.Context, a tree.Action) error {
	removes := a.Kind == tree.Remove || a.Over == tree.Folder && a.Kind != tree.Metadata
	if g.limit == nil {
		return nil
	}
	if !removes {
		g.release(a.Path)
		return nil
	}
	n, err := g.replica.Count(ctx, a.Path, math.MaxInt)
	if err != nil {
		return fmt.Errorf("count what goes: %w", err)
	}
	if n == 0 {
		return nil
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
	asked := int64(n)
	before, known := g.held[a.Path]
	if known || g.sum == forGood {
		asked = g.sum - before + int64(n)
	}
	if g.burst+asked > g.most {
		g.hold(a.Path, int64(n))
		return fmt.Errorf("%w: more than %d at once; its own --max-delete says so", wire.ErrHeld, g.most)
	}
	g.sum -= before
	delete(g.held, a.Path)
	g.burst += int64(n)
	g.last = time.Now()
	return nil
}

// release forgets path, which the source has again.
func (g *guard) release(path tree.Path) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sum != forGood {
		g.sum -= g.held[path]
	}
	delete(g.held, path)
}

// hold remembers that path was not removed, and tells it once. The caller holds
// mu.
func (g *guard) hold(path tree.Path, n int64) {
	before, known := g.held[path]
	if !known {
		g.last = time.Now() // the burst goes on; asking again is no part of it
		g.observer.Held(path, int(n))
		if len(g.held) >= maxHeld {
			g.sum = forGood
			return
		}
	}
	if g.held == nil {
		g.held = make(map[tree.Path]int64)
	}
	g.held[path] = n
	if g.sum != forGood {
		g.sum += n - before
	}
}
