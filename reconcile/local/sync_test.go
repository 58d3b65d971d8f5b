package local

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// TestSyncIsShared: who comes while a sync runs waits for one that begins later, together with all others who came meanwhile, and
// takes the word of the handle that was opened first.
func TestSyncIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s syncer
		var called []uint64 // one at a time, as the race detector holds
		release := make(chan error)
		handle := func(number uint64) *syncHandle {
			return &syncHandle{number: number, flush: func() error {
				called = append(called, number)
				return <-release
			}}
		}
		var waiting sync.WaitGroup
		errs := make([]error, 6)
		ask := func(number uint64) { waiting.Go(func() { errs[number] = s.sync(handle(number)) }) }
		ask(1)
		synctest.Wait()
		for _, number := range []uint64{4, 3, 5, 2} {
			ask(number)
			synctest.Wait()
		}
		release <- nil
		synctest.Wait()
		lost := errors.New("lost")
		release <- lost
		waiting.Wait()
		if len(called) != 2 || called[0] != 1 || called[1] != 2 {
			t.Errorf("called by %v, want 1 and 2", called)
		}
		if errs[1] != nil {
			t.Errorf("the first sync: %v", errs[1])
		}
		for number := 2; number < len(errs); number++ {
			if !errors.Is(errs[number], lost) {
				t.Errorf("%d was told %v, want that something is lost", number, errs[number])
			}
		}
		ask(5)
		synctest.Wait()
		release <- nil
		waiting.Wait()
		if errs[5] != nil || len(called) != 3 {
			t.Errorf("a sync after all others: %v by %v", errs[5], called)
		}
	})
}

// TestAlwaysIsNotForgotten: where everything has to be on disk and the names could
// not be brought there, for want of a handle, no action is told done.
func TestAlwaysIsNotForgotten(t *testing.T) {
	r := replicaAt(t, t.TempDir(), ReplicaOptions{Durability: Always})
	root := r.root
	defer func() { r.root = root }()
	closed, err := at.Open(t.TempDir())
	ok(t, err)
	ok(t, closed.Close())
	r.root = closed
	b := batch{r: r, actions: make([]tree.Action, 1), outcomes: []tree.Outcome{{Did: tree.Copy}}}
	if b.finish(); b.outcomes[0].Err == nil {
		t.Error("the action is told done")
	}
}

// TestSyncTellsEverybody: a write of one batch goes wrong, and another batch that
// is older hears of it at a sync of its own. When both come to the next sync, the
// one that wrote hears of it, though the system tells the older handle only once.
func TestSyncTellsEverybody(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := replicaAt(t, dir, ReplicaOptions{})
		lost := errors.New("lost")
		handle := func(flush func() error) *syncHandle {
			return &syncHandle{number: r.syncer.opened.Add(1), flush: flush, close: func() {}}
		}
		tellsOnce := func() func() error {
			told := false
			return func() error {
				if told {
					return nil
				}
				told = true
				return lost
			}
		}
		batchWith := func(h *syncHandle) *batch {
			return &batch{r: r, whole: h, deferred: []deferred{{staged: staged{temp: "temp"}}}}
		}
		older, younger := batchWith(handle(tellsOnce())), batchWith(handle(tellsOnce()))
		if err := older.sync(); !errors.Is(err, lost) {
			t.Fatalf("the older batch was told %v", err)
		}
		// While a sync runs, both come for the next one.
		release := make(chan error)
		var waiting sync.WaitGroup
		waiting.Go(func() { r.syncer.sync(handle(func() error { return <-release })) })
		synctest.Wait()
		var err error
		waiting.Go(func() { older.sync() })
		waiting.Go(func() { err = younger.sync() })
		synctest.Wait()
		release <- nil
		waiting.Wait()
		if !errors.Is(err, lost) {
			t.Errorf("the batch of which a write was lost was told %v", err)
		}
		for _, b := range []*batch{older, younger} {
			b.whole.close()
		}
	})
}

// TestEachIsSynced: where a sync of the whole file system would not tell what
// became of a file, every file has one of its own, however many there are.
func TestEachIsSynced(t *testing.T) {
	r := replicaAt(t, t.TempDir(), ReplicaOptions{})
	for _, all := range []bool{true, false} {
		r.syncsAll = all
		b := batch{r: r, actions: make([]tree.Action, syncEach+1)}
		for i := range b.actions {
			b.actions[i].Kind = tree.Copy
		}
		b.planSync()
		if b.each == all || (b.whole != nil) != all {
			t.Errorf("one sync for all does: %v; each is synced: %v, all are: %v", all, b.each, b.whole != nil)
		}
		b.finish()
	}
}
