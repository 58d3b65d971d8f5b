package watcher

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// delivery is a path that reached the sink, and when.
type delivery struct {
	At   time.Duration
	Path string
}

// play runs a watcher on a fake clock, sends an event at each of the times, which ascend, and returns what was
// delivered. Its names do not exist: an event says where to look, and there is nothing to see.
func play(t *testing.T, root string, o Options, events []delivery) (got []delivery) {
	synctest.Test(t, func(t *testing.T) {
		w, s, h := New(root, o), newRecorder(), newHollow()
		w.heed = deaf
		w.open = func() (backend, error) { return h, nil }
		var start time.Time
		s.onDirty = func(paths []string) {
			for _, path := range paths {
				got = append(got, delivery{time.Since(start), path})
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx, s) }()
		synctest.Wait()
		start = time.Now()
		for _, e := range events {
			time.Sleep(e.At - time.Since(start)) // on the fake clock
			h.events <- fsnotify.Event{Name: root + "/" + e.Path, Op: fsnotify.Write}
			synctest.Wait()
		}
		time.Sleep(o.Quiet + o.MaxDelay) // on the fake clock
		synctest.Wait()
		cancel()
		<-ended
	})
	return got
}

// deliveries says when each path has to be delivered: quiet after its last event, at most max delay after its first.
func deliveries(o Options, events []delivery) (want []delivery) {
	type wait struct{ first, last time.Duration }
	waiting := make(map[string]wait)
	due := func(w wait) time.Duration { return min(w.last+o.Quiet, w.first+o.MaxDelay) }
	for _, e := range events {
		w, ok := waiting[e.Path]
		if ok && due(w) < e.At {
			want = append(want, delivery{due(w), e.Path})
			ok = false
		}
		if !ok || due(w) == e.At { // with no quiet time each event is due at once
			w.first = e.At
		}
		w.last = e.At
		waiting[e.Path] = w
	}
	for path, w := range waiting {
		want = append(want, delivery{due(w), path})
	}
	slices.SortFunc(want, byTime)
	return want
}

func byTime(a, b delivery) int {
	if a.At != b.At {
		return int(a.At - b.At)
	}
	return slices.Compare([]byte(a.Path), []byte(b.Path))
}

// Scenarios: E19.
func TestEveryDirtyPathIsDeliveredInTime(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{
			Quiet:    time.Duration(rapid.IntRange(0, 30).Draw(rt, "quiet")) * time.Millisecond,
			MaxDelay: time.Duration(rapid.IntRange(1, 100).Draw(rt, "max delay")) * time.Millisecond,
		}
		var events []delivery
		for i, gap := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 80).Draw(rt, "gaps") {
			var at time.Duration
			if i > 0 {
				at = events[i-1].At.Truncate(time.Millisecond)
			}
			// No two events have the same microsecond within their millisecond: so none comes just when another is due.
			at += time.Duration(gap)*time.Millisecond + time.Duration(i+1)*time.Microsecond
			path := "f" + strconv.Itoa(rapid.IntRange(0, 4).Draw(rt, "path"))
			events = append(events, delivery{at, path})
		}
		slices.SortFunc(events, byTime)
		got, want := play(t, root, o, events), deliveries(o, events)
		slices.SortFunc(got, byTime)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("options %+v, events %v: -want +got\n%s", o, events, diff)
		}
	})
}

func TestFileWrittenAllTheTimeIsFollowed(t *testing.T) {
	var events []delivery
	for at := time.Duration(0); at < 10*time.Second; at += 3 * time.Millisecond {
		events = append(events, delivery{at, "log"})
	}
	got := play(t, t.TempDir(), Defaults(), events)
	if len(got) < 10 || len(got) > 11 {
		t.Errorf("delivered %d times in 10 s, want about one each second", len(got))
	}
}

func TestBatchKeepsFirstSeenOrder(t *testing.T) {
	d := newDebouncer(10, 1000)
	for i, path := range []string{"z", "z/y", "a", "z/y/x"} {
		d.add(path, time.Duration(i), time.Duration(i))
	}
	d.add("z", 5, 5)
	if got, want := d.take(4), []string{}; !slices.Equal(got, want) {
		t.Errorf("early: %q", got)
	}
	if next, ok := d.next(); !ok || next > 11 {
		t.Errorf("next %v %v, want at most 11", next, ok)
	}
	if got, want := d.take(20), []string{"z", "z/y", "a", "z/y/x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, ok := d.next(); ok {
		t.Error("something is left")
	}
}

// Hearing again that a folder was renamed does not put its old name behind the new one.
func TestGoneTwiceIsGoneOnce(t *testing.T) {
	d := newDebouncer(10, 1000)
	d.went("old", 0, 0)
	d.add("new", 1, 1)
	d.went("old", 2, 2)
	if got, want := d.take(11), []string{"old", "new"}; !slices.Equal(got, want) {
		t.Errorf("took %q, want %q", got, want)
	}
	d.went("old", 20, 20)
	d.add("old", 22, 22) // it is back, and written to
	d.went("old", 24, 24)
	if got := d.take(33); len(got) > 0 {
		t.Errorf("took %q before it was quiet", got)
	}
}

// Scenarios: E2.
func TestOverflowStormIsRateLimited(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, s, h := New(root, Defaults()), newRecorder(), newHollow()
		w.heed = deaf
		w.open = func() (backend, error) { return h, nil }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx, s) }()
		synctest.Wait()
		for range 60_000 {
			time.Sleep(time.Millisecond) // on the fake clock
			h.errs <- fsnotify.ErrEventOverflow
			if synctest.Wait(); !s.rescanned(Overflow) {
				t.Fatal("the first overflow is not answered at once")
			}
		}
		time.Sleep(2 * stormPause) // on the fake clock
		synctest.Wait()
		if n := len(s.rescans); n < 30 || n > 62 {
			t.Errorf("%d passes in a minute of overflows, want one each second", n)
		}
		cancel()
		<-ended
	})
}

// A system that grants no watcher at the start and one later: polling first, then watches.
func TestInstanceLimitEnds(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/b/", "c/f")
	synctest.Test(t, func(t *testing.T) {
		o := Defaults()
		w, s, h := New(root, o), newRecorder(), newHollow()
		w.heed = deaf
		var full atomic.Bool
		full.Store(true)
		w.open = func() (backend, error) {
			if full.Load() {
				return nil, fmt.Errorf("couldn't initialize inotify: %w", os.NewSyscallError("inotify_init1", syscall.EMFILE))
			}
			return h, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx, s) }()
		synctest.Wait()
		if c := w.Coverage(); c.Polled != 4 || c.Watched != 0 {
			t.Errorf("%+v, want 4 folders polled", c)
		}
		grow(t, root, "c/d/g")
		time.Sleep(2 * o.Poll) // on the fake clock
		synctest.Wait()
		for _, path := range []string{"c", "c/d", "c/d/g"} {
			if !slices.Contains(s.polled, path) {
				t.Errorf("%q is not reported by polling: %q", path, s.polled)
			}
		}
		full.Store(false)
		time.Sleep(tryEvery + 2*o.Poll) // on the fake clock
		synctest.Wait()
		if c := w.Coverage(); c.Polled != 0 || c.Watched != 5 {
			t.Errorf("%+v, want 5 folders watched", c)
		}
		if n := s.count(InstanceLimit); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
		cancel()
		<-ended
	})
}

// For want of handles a folder is tried again after a pause, and then reported itself: of what went from it before, nobody
// tells.
func TestCrowdedFolderIsTriedAgain(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/f")
	synctest.Test(t, func(t *testing.T) {
		w, s := New(root, Options{}), newRecorder()
		w.open, w.heed = func() (backend, error) { return newHollow(), nil }, deaf
		r := newRun(w, s)
		defer r.closeBackend()
		defer r.table.close()
		defer r.leave()
		for !r.ready {
			r.turn()
		}
		r.drop(r.tree.byPath["a"])
		r.armFailed(r.here(), item{path: "a"}, syscall.EMFILE)
		r.turn()
		if r.tree.byPath["a"] != nil {
			t.Error("tried again at once")
		}
		time.Sleep(laterEvery) // on the fake clock
		r.turn()               // takes it up
		r.turn()
		if r.tree.byPath["a"] == nil {
			t.Error("not tried again")
		}
		if got := s.all(); !slices.Equal(got, []string{"a", "a/f"}) {
			t.Errorf("reported %q", got)
		}
	})
}
