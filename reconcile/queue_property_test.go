package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"lockstep/reconcile/tree"
)

// watched holds what a queue does against what it promises.
type watched struct {
	q       *queue
	workers int

	mu      sync.Mutex
	broken  string
	running map[tree.Path]bool
	big     int
	added   map[tree.Path]int       // adds that have begun
	served  map[tree.Path]int       // adds that a settled run covers
	due     map[tree.Path]time.Time // of paths that wait out a pause
	called  int
	told    int
}

func (w *watched) fail(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
}

func (w *watched) add(path tree.Path, hasten bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.added[path]++
	w.called++
	if hasten {
		delete(w.due, path)
	}
	// No callback is called but by ends, which counts them itself.
	d := dirt{cause: ByPass, done: []func(verdict){func(verdict) { w.fail("told by itself") }}}
	if hasten {
		w.q.add(path, d)
	} else {
		w.q.suggest(path, d)
	}
}

// begins checks what was taken, and returns how many adds each run covers.
func (w *watched) begins(items []*item) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var covers []int
	for _, it := range items {
		for p := range w.running {
			if p == it.path || p.Holds(it.path) || it.path.Holds(p) {
				w.fail("%q runs beside %q", it.path, p)
			}
		}
		w.running[it.path] = true
		if it.big {
			w.big++
			if len(items) > 1 {
				w.fail("%q is big and one of %d", it.path, len(items))
			}
			if w.big >= w.workers {
				w.fail("big files take all %d workers", w.workers)
			}
		}
		if due, ok := w.due[it.path]; ok && time.Now().Before(due) {
			w.fail("%q runs %v too early", it.path, time.Until(due))
		}
		delete(w.due, it.path)
		covers = append(covers, w.added[it.path])
	}
	return covers
}

// ends gives it back in a way that r chooses.
func (w *watched) ends(it *item, covers int, r *rand.Rand) {
	// The queue is asked while mu is held: an add cannot come in between.
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, it.path)
	if it.big {
		w.big--
	}
	how := r.IntN(7)
	pause := time.Duration(r.IntN(50)) * time.Millisecond
	switch how {
	case 0:
		if !w.hastened(it) {
			w.due[it.path] = time.Now().Add(pause)
		}
	case 1, 2:
	default:
		w.served[it.path] = covers
	}
	switch {
	case how == 0:
		w.q.delay(it, pause)
	case how == 1 && !it.big:
		w.q.enlarge(it)
	case how == 1:
		w.q.delay(it, 0)
	case how == 2:
		other := places[r.IntN(len(places))]
		delete(w.due, other) // it may have its turn sooner
		w.q.await(it, other, pause)
	default:
		w.told += len(it.done)
		it.done = nil
		w.q.settle(it, verdict{})
	}
}

func (w *watched) hastened(it *item) bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	return it.hastened
}

func (w *watched) work(ctx context.Context, r *rand.Rand) {
	for {
		items := w.q.take(ctx, 1+r.IntN(20))
		if items == nil {
			return
		}
		covers := w.begins(items)
		for i, it := range items {
			time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond) // on the fake clock
			w.ends(it, covers[i], r)
			w.mayClaim(r)
		}
	}
}

// mayClaim claims a path that waits out a pause, and gives it back.
func (w *watched) mayClaim(r *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path := range w.due {
		if r.IntN(4) > 0 {
			return
		}
		if it := w.q.claim(path); it != nil {
			for p := range w.running {
				if p == path || p.Holds(path) || path.Holds(p) {
					w.fail("claimed %q beside %q", path, p)
				}
			}
			delete(w.due, path)
			w.q.delay(it, 0)
		}
		return
	}
}

// places are the paths that become dirty.
var places = []tree.Path{tree.Root, "a", "a/b", "a/b/c", "a/b/d", "a/e", "ab", "f", "f/g", "f/h", "i", "j", "k"}

// Whatever producers and workers do, the queue keeps its promises, and all is
// worked off in the end.
func TestQueueKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			workers := rapid.IntRange(2, 4).Draw(rt, "workers")
			producers := rapid.IntRange(1, 3).Draw(rt, "producers")
			seed := rapid.Uint64().Draw(rt, "seed")
			w := &watched{
				q: newQueue(workers), workers: workers, running: map[tree.Path]bool{},
				added: map[tree.Path]int{}, served: map[tree.Path]int{}, due: map[tree.Path]time.Time{},
			}
			defer w.q.close()
			ctx, cancel := context.WithCancel(context.Background())
			var working, producing sync.WaitGroup
			for i := range workers {
				working.Go(func() { w.work(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			for i := range producers {
				r := rand.New(rand.NewPCG(seed, uint64(100+i)))
				producing.Go(func() {
					for range 60 {
						w.add(places[r.IntN(len(places))], r.IntN(3) > 0)
						time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond) // on the fake clock
					}
				})
			}
			producing.Wait()
			late, stop := context.WithTimeout(ctx, time.Hour)
			err := w.q.waitIdle(late)
			stop()
			w.check(err)
			cancel()
			working.Wait()
			synctest.Wait()
			if w.broken != "" {
				rt.Fatal(w.broken)
			}
		})
	})
}

// check is called when the queue says that it is idle.
func (w *watched) check(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	switch {
	case err != nil:
		w.fail("does not get empty: %v; %d items left", err, len(w.q.items))
	case len(w.running) > 0:
		w.fail("idle while %v run", w.running)
	case w.told != w.called:
		w.fail("%d of %d were told", w.told, w.called)
	case len(w.q.parked)+len(w.q.below)+len(w.q.delayed)+len(w.q.ready)+len(w.q.sooner)+len(w.q.bigWaiting)+len(w.q.unseen) > 0 ||
		w.q.running != 0 || w.q.bigRunning != 0:
		w.fail("an idle queue holds something: %+v", w.q)
	}
	for path, n := range w.added {
		if w.served[path] != n {
			w.fail("%q was added %d times, and settled after %d of them", path, n, w.served[path])
		}
	}
}
