package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// twin is a replica that is equal to its source whatever is asked, and takes
// its time to say so.
type twin struct {
	tree.Replica
	source *treetest.Source
	slow   time.Duration
	jumped atomic.Int64 // how far the wall clock is ahead, in nanoseconds

	mu      sync.Mutex
	check   error
	passing int
	most    int // passes at once
	checks  int
}

func (w *twin) Traits() tree.Traits         { return tree.Full() }
func (w *twin) ID() tree.ID                 { return tree.ID{} }
func (w *twin) Flush(context.Context) error { return nil }

func (w *twin) Check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checks++
	return w.check
}

func (w *twin) ill(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.check = err
}

func (w *twin) Look(_ context.Context, paths []tree.Path) []tree.Found {
	found := make([]tree.Found, len(paths))
	for i, p := range paths {
		found[i].Entry = w.source.Entry(p)
	}
	return found
}

func (w *twin) Apply(_ context.Context, actions []tree.Action) []tree.Outcome {
	return make([]tree.Outcome, len(actions))
}

func (w *twin) Compare(ctx context.Context, s tree.Subject) (tree.Comparison, error) {
	w.mu.Lock()
	w.passing++
	w.most = max(w.most, w.passing)
	w.mu.Unlock()
	select {
	case <-time.After(w.slow):
	case <-ctx.Done():
	}
	w.mu.Lock()
	w.passing--
	w.mu.Unlock()
	return tree.Comparison{Leaves: make([]tree.Digest, len(s.Entries))}, ctx.Err()
}

// diary notes when passes begin and end.
type diary struct {
	*recorder
	begun time.Time
	lines []string
}

func (d *diary) PassStarted(c reconcile.PassCause) {
	d.record(func() { d.lines = append(d.lines, fmt.Sprintf("%v %s", time.Since(d.begun), c)) })
}

func (d *diary) PassDone(r reconcile.Report) {
	word := "done"
	if r.Problems > 0 {
		word = "in trouble"
	}
	d.record(func() { d.lines = append(d.lines, fmt.Sprintf("%v %s", time.Since(d.begun), word)) })
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("passes:\n%q, want\n%q", d.lines, want)
	}
}

// scheduled runs a Mirror with an interval of a minute over a source and a
// replica of which a pass takes ten seconds, on a fake clock.
func scheduled(t *testing.T, body func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &twin{source: treetest.NewSource(), slow: 10 * time.Second}
		w.source.File("file", "content")
		d := &diary{recorder: newRecorder(), begun: time.Now()}
		wall := func() time.Time { return time.Now().Round(0).Add(time.Duration(w.jumped.Load())) }
		m := reconcile.New(w.source, w, reconcile.Options{Interval: time.Minute, Observer: d, Wall: wall})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		body(t, m, w, d)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if w.most > 1 {
			t.Errorf("%d passes at once", w.most)
		}
	})
}

// Scenarios: O8.
func TestIntervalIsMeasuredFromTheEnd(t *testing.T) {
	scheduled(t, func(t *testing.T, _ *reconcile.Mirror, _ *twin, d *diary) {
		time.Sleep(150*time.Second + time.Millisecond) // on the fake clock
		d.want(t, "0s start", "10s done", "1m10s interval", "1m20s done", "2m20s interval", "2m30s done")
	})
}

// A machine that slept makes one pass when it wakes; a clock that is set makes
// one at the most, and intervals stay as long as they are.
//
// Scenarios: O6, O7.
func TestPassAfterSleep(t *testing.T) {
	scheduled(t, func(t *testing.T, _ *reconcile.Mirror, w *twin, d *diary) {
		time.Sleep(30 * time.Second) // on the fake clock
		w.jumped.Add(int64(8 * time.Hour))
		time.Sleep(60 * time.Second) // on the fake clock
		w.jumped.Add(-int64(24 * time.Hour))
		time.Sleep(30*time.Second + time.Millisecond) // on the fake clock
		w.jumped.Add(int64(time.Second))              // as a time server does
		time.Sleep(60 * time.Second)                  // on the fake clock
		d.want(t, "0s start", "10s done", "40s resume", "50s done", "1m50s interval", "2m0s done", "3m0s interval")
	})
}

func TestRequestsMadeMeanwhileAreOnePass(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, _ *twin, d *diary) {
		time.Sleep(5 * time.Second) // on the fake clock
		for range 10 {
			m.RequestPass(reconcile.OnRequest)
		}
		m.RequestPass(reconcile.OnOverflow)
		time.Sleep(50 * time.Second) // on the fake clock
		d.want(t, "0s start", "10s done", "10s request", "20s done")
		m.RequestPass(reconcile.OnRequest)
		d.want(t, "0s start", "10s done", "10s request", "20s done", "55s request")
	})
}

func TestAReplicaThatIsIllIsTriedAgain(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary) {
		time.Sleep(15 * time.Second) // on the fake clock
		w.ill(tree.ErrUnreachable)
		m.Dirty([]string{"file"}, reconcile.ByWatch)
		time.Sleep(10 * time.Second) // on the fake clock
		d.await(t, "a problem", func() bool { return len(d.problems) == 1 })
		w.ill(nil)
		time.Sleep(20 * time.Second) // on the fake clock
		if s := m.Status(); s.Waiting != 0 || s.Problems != 0 {
			t.Errorf("status %+v", s)
		}
		d.await(t, "its end", func() bool { return len(d.solved) == 1 && len(d.problems) == 1 })
	})
}

// TestNoPassOfAReplicaThatIsAway: a pass that can compare nothing is not made, and
// says nothing, each interval; one is made when the replica is back.
func TestNoPassOfAReplicaThatIsAway(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary) {
		time.Sleep(15 * time.Second) // on the fake clock
		w.ill(fmt.Errorf("%w: connection refused", tree.ErrUnreachable))
		time.Sleep(10 * time.Minute) // on the fake clock
		d.want(t, "0s start", "10s done")
		if s := m.Status(); s.Problems != 1 {
			t.Errorf("status %+v", s)
		}
		w.ill(nil)
		time.Sleep(30 * time.Second) // on the fake clock
		synctest.Wait()
		if lines := slices.Clone(d.lines); len(lines) != 4 || !strings.HasSuffix(lines[2], " return") {
			t.Errorf("passes:\n%q", lines)
		}
	})
}

// However much waits for a replica that is out of reach, waiting costs little.
func TestManyPathsWaitForAReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &twin{source: treetest.NewSource()}
		m := reconcile.New(w.source, w, reconcile.Options{Observer: newRecorder()})
		_ = m.Serve(t.Context(), func(ctx context.Context) error {
			w.ill(tree.ErrUnreachable)
			paths := make([]string, 40_000)
			for i := range paths {
				paths[i] = fmt.Sprint("file", i)
			}
			m.Dirty(paths, reconcile.ByWatch)
			time.Sleep(5 * time.Second) // on the fake clock
			w.mu.Lock()
			if w.checks > 50 {
				t.Errorf("%d turns in 5s", w.checks)
			}
			w.mu.Unlock()
			w.ill(nil)
			return m.Idle(ctx)
		})
	})
}

func TestAMissingSourceIsTriedAgain(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary) {
		time.Sleep(15 * time.Second) // on the fake clock
		w.source.FailCheck(tree.ErrSourceMissing)
		m.RequestPass(reconcile.OnRequest)
		time.Sleep(30 * time.Second) // on the fake clock
		wantReasons(t, d, reconcile.SourceMissing)
		w.source.FailCheck(nil)
		time.Sleep(12 * time.Second) // on the fake clock
		synctest.Wait()
		if last := d.lines[len(d.lines)-1]; last != "56s done" {
			t.Errorf("passes: %q", d.lines)
		}
		d.await(t, "the release", func() bool { return len(d.released) == 1 })
	})
}

// A root that falls ill between two passes is looked for each second from then on.
func TestASourceThatComesBackSoonIsNoticedSoon(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary) {
		time.Sleep(11 * time.Second) // on the fake clock
		w.source.FailCheck(tree.ErrSourceMissing)
		m.CheckSource()
		time.Sleep(2500 * time.Millisecond) // on the fake clock
		wantReasons(t, d, reconcile.SourceMissing)
		w.source.FailCheck(nil)
		time.Sleep(time.Second) // on the fake clock
		d.want(t, "0s start", "10s done", "14s return")
	})
}

// Whoever notices first that a root is well again, what it kept from being compared
// is made up for.
func TestAPassThatAnIllRootEndedIsMadeAgain(t *testing.T) {
	for name, root := range map[string]struct {
		ill, well, notice func(*reconcile.Mirror, *twin)
	}{
		"source": {
			func(_ *reconcile.Mirror, w *twin) { w.source.FailCheck(tree.ErrSourceMissing) },
			func(_ *reconcile.Mirror, w *twin) { w.source.FailCheck(nil) },
			func(m *reconcile.Mirror, _ *twin) { m.CheckSource() },
		},
		"replica": {
			func(_ *reconcile.Mirror, w *twin) { w.ill(tree.ErrReplicaReplaced) },
			func(_ *reconcile.Mirror, w *twin) { w.ill(nil) },
			func(m *reconcile.Mirror, _ *twin) { m.Dirty([]string{"file"}, reconcile.ByWatch) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			scheduled(t, func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary) {
				time.Sleep(11 * time.Second) // on the fake clock
				root.ill(m, w)
				m.RequestPass(reconcile.OnRequest)
				time.Sleep(1500 * time.Millisecond) // on the fake clock
				root.well(m, w)
				root.notice(m, w)
				time.Sleep(time.Second) // on the fake clock
				d.want(t, "0s start", "10s done", "11s request", "11s in trouble", "13s return")
			})
		})
	}
}

func wantReasons(t *testing.T, d *diary, want ...reconcile.HoldReason) {
	t.Helper()
	synctest.Wait()
	if got := d.reasons(); !slices.Equal(got, want) {
		t.Errorf("held for %q, want %q", got, want)
	}
}

func TestRunEndsInMidPass(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, _ *twin, d *diary) {
		time.Sleep(time.Second) // on the fake clock
		if s := m.Status(); !s.Passing || !s.PassBegan.Equal(d.begun) {
			t.Errorf("status %+v", s)
		}
	}) // which cancels and waits
}

func TestWorkersEndWithAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if they run on
		w := &twin{source: treetest.NewSource()}
		m := reconcile.New(w.source, w, reconcile.Options{Interval: time.Minute, Observer: newRecorder()})
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = m.Serve(context.Background(), func(context.Context) error { panic("made up") })
	})
}

// A pass that fails as a whole does not end Run, is told, and proves nothing.
func TestPassThatFailsIsTriedAgain(t *testing.T) {
	scheduled(t, func(t *testing.T, m *reconcile.Mirror, w *twin, d *diary) {
		time.Sleep(15 * time.Second) // on the fake clock
		w.ill(errors.New("made up"))
		m.RequestPass(reconcile.OnRequest)
		time.Sleep(time.Second) // on the fake clock
		synctest.Wait()
		if s := m.Status(); !s.LastProof.Equal(d.begun.Add(10 * time.Second)) {
			t.Errorf("proof of a pass that failed: %+v", s)
		}
	})
}
