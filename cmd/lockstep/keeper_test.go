package main

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/logging"
	"lockstep/reconcile"
)

// The line is fed soon when something happens, and next to never when
// nothing does.
func TestLineKeeperSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, waiting atomic.Int64
		k := &lineKeeper{
			status: func() reconcile.Status {
				asked.Add(1)
				return reconcile.Status{Waiting: int(waiting.Load())}
			},
			state: stateOf, stir: make(stir, 1), live: logging.NewLive(io.Discard, logging.LineNever),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); k.run(ctx) }()
		time.Sleep(time.Minute + lineAtRest) // on the fake clock
		synctest.Wait()
		before := asked.Load()
		if before > 6 {
			t.Errorf("asked %d times in an idle minute", before)
		}
		waiting.Store(1)
		k.stir.happened()
		time.Sleep(lineSettles) // on the fake clock
		synctest.Wait()
		if n := asked.Load() - before; n != 1 {
			t.Errorf("asked %d times when something happened", n)
		}
		before = asked.Load()
		for range 1000 {
			time.Sleep(time.Millisecond) // on the fake clock
			k.stir.happened()
		}
		synctest.Wait()
		if n := asked.Load() - before; n > 2 {
			t.Errorf("asked %d times in a busy second", n)
		}
		before = asked.Load()
		waiting.Store(0)
		time.Sleep(2 * lineAtRest) // on the fake clock
		synctest.Wait()
		if asked.Load() == before {
			t.Error("not asked while the line may go on changing")
		}
		cancel()
		<-ended
	})
}

// A path that is mirrored in no time is not shown waiting: the line would say so
// for a second.
func TestLineKeeperSparesWhatIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waiting, shown atomic.Int64
		k := &lineKeeper{
			status: func() reconcile.Status { return reconcile.Status{Waiting: int(waiting.Load())} },
			state: func(s reconcile.Status) logging.State {
				shown.Add(int64(s.Waiting))
				return stateOf(s)
			},
			stir: make(stir, 1), live: logging.NewLive(io.Discard, logging.LineNever),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); k.run(ctx) }()
		for range 10 {
			time.Sleep(2 * lineAtRest) // on the fake clock
			synctest.Wait()
			waiting.Store(1)
			k.stir.happened()
			time.Sleep(lineSettles / 5) // on the fake clock
			waiting.Store(0)
			k.stir.happened()
		}
		time.Sleep(2 * lineAtRest) // on the fake clock
		if n := shown.Load(); n > 0 {
			t.Errorf("shown waiting %d times", n)
		}
		cancel()
		<-ended
	})
}
