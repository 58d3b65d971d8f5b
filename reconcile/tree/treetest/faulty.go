package treetest

import (
	"context"
	"sync"

	"lockstep/reconcile/tree"
)

// Faulty is a replica of which one call goes wrong. Every call of Check, Look,
// Compare, Count and Flush counts as one, and so does every action of Apply.
// Safe for concurrent use.
type Faulty struct {
	tree.Replica

	// Guarded by mu.
	mu    sync.Mutex
	calls int
	at    int
	err   error
}

// FailAt returns r with its n-th call, counted from 1, answering err and doing
// nothing; 0 for none.
func FailAt(r tree.Replica, n int, err error) *Faulty { return &Faulty{Replica: r, at: n, err: err} }

// Calls returns how many calls were counted so far.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *Faulty) fails() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls++; f.calls == f.at {
		return f.err
	}
	return nil
}

// Check answers as the replica does, or fails.
func (f *Faulty) Check() error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Replica.Check()
}

// Look answers as the replica does, or fails for all of paths.
func (f *Faulty) Look(ctx context.Context, paths []tree.Path) []tree.Found {
	err := f.fails()
	if err == nil {
		return f.Replica.Look(ctx, paths)
	}
	found := make([]tree.Found, len(paths))
	for i := range found {
		found[i].Err = err
	}
	return found
}

// Compare answers as the replica does, or fails.
func (f *Faulty) Compare(ctx context.Context, s tree.Subject) (tree.Comparison, error) {
	if err := f.fails(); err != nil {
		return tree.Comparison{}, err
	}
	return f.Replica.Compare(ctx, s)
}

// Count answers as the replica does, or fails.
func (f *Faulty) Count(ctx context.Context, path tree.Path, limit int) (int, error) {
	if err := f.fails(); err != nil {
		return 0, err
	}
	return f.Replica.Count(ctx, path, limit)
}

// Flush answers as the replica does, or fails.
func (f *Faulty) Flush(ctx context.Context) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Replica.Flush(ctx)
}

// Apply carries out all actions but the one that fails.
func (f *Faulty) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	for i := range actions {
		err := f.fails()
		if err == nil {
			continue
		}
		out := make([]tree.Outcome, 0, len(actions))
		if i > 0 {
			out = append(out, f.Replica.Apply(ctx, actions[:i])...)
		}
		out = append(out, tree.Outcome{Err: err})
		if i+1 < len(actions) {
			out = append(out, f.Apply(ctx, actions[i+1:])...)
		}
		return out
	}
	return f.Replica.Apply(ctx, actions)
}
