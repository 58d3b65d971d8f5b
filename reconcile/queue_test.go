package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile/tree"
)

// takeNow returns what could be taken without waiting.
func takeNow(q *queue, limit int) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(time.Now())
	return q.takeReady(limit)
}

func pathsOf(items []*item) []tree.Path {
	var paths []tree.Path
	for _, it := range items {
		paths = append(paths, it.path)
	}
	return paths
}

// takes fails unless exactly these paths can be taken now, in this order.
func takes(t *testing.T, q *queue, want ...tree.Path) []*item {
	t.Helper()
	got := takeNow(q, 100)
	if !slices.Equal(pathsOf(got), want) {
		t.Fatalf("took %q, want %q", pathsOf(got), want)
	}
	return got
}

func add(q *queue, paths ...tree.Path) {
	for _, p := range paths {
		q.add(p, dirt{})
	}
}

func settleAll(q *queue, items []*item) {
	for _, it := range items {
		q.settle(it, verdict{})
	}
}

func TestQueueKeepsOrderAndTakesAPathOnce(t *testing.T) {
	q := newQueue(2)
	add(q, "c", "a", "b", "a", "c")
	settleAll(q, takes(t, q, "c", "a", "b"))
	takes(t, q)
	if n := q.busy(); n != 0 {
		t.Errorf("%d are busy in an empty queue", n)
	}
}

func TestQueueSharesWorkAndObeysTheLimit(t *testing.T) {
	for _, c := range []struct{ waiting, workers, limit, want int }{
		{waiting: 10, workers: 2, limit: 100, want: 10}, // few enough for the names of a rename to meet
		{waiting: 100, workers: 2, limit: 1000, want: 50},
		{waiting: 100, workers: 4, limit: 20, want: 20},
		{waiting: 5, workers: 2, limit: 1, want: 1},
	} {
		t.Run(fmt.Sprintf("%d waiting for %d at most %d", c.waiting, c.workers, c.limit), func(t *testing.T) {
			q := newQueue(c.workers)
			for i := range c.waiting {
				add(q, tree.Path(fmt.Sprint(i)))
			}
			if got := takeNow(q, c.limit); len(got) != c.want {
				t.Errorf("took %d, want %d", len(got), c.want)
			}
		})
	}
}

// Scenarios: E18.
func TestQueueNeverRunsRelatives(t *testing.T) {
	for _, c := range []struct{ running, waits tree.Path }{
		{"a", "a/b"}, {"a/b", "a"}, {"a", "a/b/c"}, {"a/b/c", "a"}, {tree.Root, "a"}, {"a", tree.Root},
	} {
		t.Run(fmt.Sprintf("%q beside %q", c.running, c.waits), func(t *testing.T) {
			q := newQueue(2)
			add(q, c.running)
			running := takes(t, q, c.running)
			add(q, c.waits, "other")
			other := []*item(nil)
			if c.running != tree.Root && c.waits != tree.Root {
				other = takes(t, q, "other")
			}
			settleAll(q, append(running, other...))
			if got := takeNow(q, 100); len(got) == 0 || got[0].path != c.waits {
				t.Errorf("took %q, want %q first", pathsOf(got), c.waits)
			}
		})
	}
	q := newQueue(2)
	add(q, "a", "ab", "a-b", "b/a")
	takes(t, q, "a", "ab", "a-b", "b/a") // alike, and no relatives
}

func TestQueueRunsNoRelativesInOneBatch(t *testing.T) {
	q := newQueue(2)
	add(q, "a/b", "a", "a/c", "a/b/d", "e")
	settleAll(q, takes(t, q, "a/b", "e"))
	settleAll(q, takes(t, q, "a"))
	takes(t, q, "a/c", "a/b/d")
}

// What comes in while a path runs makes it run once more, with every wish of
// what came.
//
// Scenarios: E17.
func TestQueueKeepsPathsDirtyThatRun(t *testing.T) {
	q := newQueue(2)
	told := map[string]int{}
	tell := func(who string) []func(verdict) { return []func(verdict){func(verdict) { told[who]++ }} }
	q.add("a", dirt{cause: ByPass, done: tell("first")})
	it := takes(t, q, "a")[0]
	q.add("a", dirt{cause: ByPass, done: tell("second")})
	q.suggest("a", dirt{cause: ByWatch, done: tell("third"), fresh: true})
	takes(t, q)
	q.settle(it, verdict{})
	if told["first"] != 1 || len(told) != 1 {
		t.Errorf("told after the first run: %v", told)
	}
	it = takes(t, q, "a")[0]
	if it.cause != ByWatch || !it.fresh || it.attempt != 0 {
		t.Errorf("the second run has lost something: %+v", it.dirt)
	}
	q.settle(it, verdict{})
	if told["second"] != 1 || told["third"] != 1 {
		t.Errorf("told after the second run: %v", told)
	}
	takes(t, q)
}

func TestDirtMergesWithoutLoss(t *testing.T) {
	p := &pass{}
	d := dirt{cause: ByPass, hint: &tree.Entry{}, fresh: true, pass: p}
	d.merge(dirt{cause: ByPoll, counted: true, deep: true, done: []func(verdict){nil}})
	if d.cause != ByPoll || d.hint != nil || !d.fresh || !d.counted || !d.deep || d.pass != p || len(d.done) != 1 {
		t.Errorf("merged to %+v", d)
	}
}

func TestQueueHonoursDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2)
		defer q.close()
		add(q, "slow", "slower", "now")
		items := takes(t, q, "slow", "slower", "now")
		q.delay(items[0], time.Second)
		q.delay(items[1], 2*time.Second)
		q.settle(items[2], verdict{})
		takes(t, q)
		if n := q.busy(); n != 0 {
			t.Errorf("%d are busy while all wait out a pause", n)
		}
		q.suggest("slow", dirt{}) // leaves the pause
		takes(t, q)
		begun := time.Now()
		for _, want := range []tree.Path{"slow", "slower"} {
			it := q.take(t.Context(), 10)[0]
			if it.path != want {
				t.Errorf("took %q, want %q", it.path, want)
			}
			q.settle(it, verdict{})
		}
		if waited := time.Since(begun); waited != 2*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestQueueHastensWhatIsDirtyAgain(t *testing.T) {
	q := newQueue(2)
	defer q.close()
	add(q, "a", "b", "c")
	items := takes(t, q, "a", "b", "c")
	add(q, "a")
	q.delay(items[0], time.Hour) // dirty again already: no pause
	q.delay(items[1], time.Hour)
	items[2].gone = true // waits for its other name, which an event does not hasten
	q.delay(items[2], time.Hour)
	add(q, "b", "c")
	takes(t, q, "a", "b")
}

// What is suggested while a path runs leaves it its pause, as it does afterwards:
// two paths that bring each other up would never rest.
func TestQueueLeavesPausesToWhatIsSuggested(t *testing.T) {
	q := newQueue(2)
	defer q.close()
	add(q, "a", "b", "c")
	items := takes(t, q, "a", "b", "c")
	for _, it := range items {
		q.suggest(it.path, dirt{})
	}
	add(q, "b")
	q.delay(items[0], time.Hour)
	q.delay(items[1], time.Hour) // somebody told of it too
	q.settle(items[2], verdict{})
	again := takes(t, q, "b", "c")
	q.suggest("b", dirt{})
	q.delay(again[0], time.Hour) // what was told of before it ran counts no more
	takes(t, q)
}

func TestQueueClaimsWhatWaits(t *testing.T) {
	q := newQueue(2)
	defer q.close()
	add(q, "old", "ready", "new")
	items := takes(t, q, "old", "ready", "new")
	q.delay(items[0], time.Hour)
	q.settle(items[1], verdict{})
	add(q, "ready")
	if q.claim("ready") != nil || q.claim("new") != nil || q.claim("new/below") != nil {
		t.Error("claimed what does not wait out a pause, or is not free")
	}
	kept := q.claim("kept back")
	if kept == nil || !kept.kept {
		t.Fatal("did not claim what a pass keeps back")
	}
	q.settle(kept, verdict{})
	old := q.claim("old")
	if old == nil {
		t.Fatal("did not claim what waits")
	}
	add(q, "old/below")
	settleAll(q, takes(t, q, "ready"))
	q.delay(old, 0)
	q.settle(items[2], verdict{})
	settleAll(q, takes(t, q, "old/below"))
	takes(t, q, "old")
}

func TestQueueClaimsNothingBesideARelative(t *testing.T) {
	q := newQueue(2)
	defer q.close()
	add(q, "a")
	q.delay(takes(t, q, "a")[0], time.Hour)
	add(q, "a/b")
	below := takes(t, q, "a/b")
	if q.claim("a") != nil {
		t.Error("claimed a path above one that runs")
	}
	settleAll(q, below)
	takes(t, q) // it has its pause still
	if q.claim("a") == nil {
		t.Error("did not claim what nothing is in the way of")
	}
}

// Scenarios: C13.
func TestBigFilesNeverTakeAllWorkers(t *testing.T) {
	for _, workers := range []int{2, 3, 4} {
		q := newQueue(workers)
		for i := range 10 {
			add(q, tree.Path(fmt.Sprint("big", i)))
		}
		for _, it := range takeNow(q, 100) {
			q.enlarge(it)
		}
		var big [][]*item
		for range workers {
			if batch := takeNow(q, 100); len(batch) > 0 {
				big = append(big, batch)
			}
		}
		if len(big) != workers-1 || len(big[0]) != 1 {
			t.Errorf("%d workers: %d batches of big files", workers, len(big))
		}
		add(q, "small")
		settleAll(q, takes(t, q, "small"))
		served := 0
		for len(big) > 0 {
			settleAll(q, big[0])
			served += len(big[0])
			big = big[1:]
			if batch := takeNow(q, 100); len(batch) > 0 {
				big = append(big, batch)
			}
		}
		if served != 10 || len(q.items) != 0 {
			t.Errorf("%d workers: %d big files served, %d left", workers, served, len(q.items))
		}
	}
}

// A folder has its turn although there is always something running below it.
func TestQueueDoesNotStarveFolders(t *testing.T) {
	q := newQueue(2)
	add(q, "a/0")
	running := takes(t, q, "a/0")
	add(q, "a")
	for i := range 100 {
		add(q, tree.Path(fmt.Sprint("a/", i+1)))
		batch := takeNow(q, 1)
		settleAll(q, running)
		running = append(batch, takeNow(q, 1)...)
		if slices.Contains(pathsOf(running), tree.Path("a")) {
			return
		}
	}
	t.Error("the folder never had its turn")
}

// Of folders in each other the topmost is first, whatever goes on below: without
// it, nothing can be made in it.
func TestQueueServesFoldersFromTheTop(t *testing.T) {
	q := newQueue(2)
	add(q, "a/b/c/d")
	running := takes(t, q, "a/b/c/d")
	add(q, "a/b/c", "a/b", "a", "a/b/c/e")
	takes(t, q)
	for _, it := range running {
		q.delay(it, 0)
	}
	settleAll(q, takes(t, q, "a"))
	settleAll(q, takes(t, q, "a/b"))
	settleAll(q, takes(t, q, "a/b/c"))
	takes(t, q, "a/b/c/e", "a/b/c/d")
}

// While a huge file is copied, what is beside it does not wait for a folder
// above both.
func TestQueueDoesNotWaitForBigOnes(t *testing.T) {
	q := newQueue(2)
	add(q, "a/big")
	q.enlarge(takes(t, q, "a/big")[0])
	takes(t, q, "a/big")
	add(q, tree.Root, "a")
	takes(t, q)
	add(q, "a/small", "b")
	takes(t, q, "a/small", "b")
}

func TestWaitIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2)
		defer q.close()
		if err := q.waitIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		add(q, "a")
		idle := make(chan error, 1)
		go func() { idle <- q.waitIdle(t.Context()) }()
		still := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case <-idle:
				t.Fatalf("idle while a path %s", when)
			default:
			}
		}
		still("waits")
		it := takes(t, q, "a")[0]
		still("runs")
		q.delay(it, time.Minute)
		still("waits out a pause")
		it = q.take(t.Context(), 1)[0]
		add(q, "a")
		q.settle(it, verdict{})
		still("is dirty again")
		settleAll(q, takes(t, q, "a"))
		if err := <-idle; err != nil {
			t.Fatal(err)
		}
		add(q, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.waitIdle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waitIdle until its context ended: %v", err)
		}
		if items := q.take(ctx, 1); items != nil {
			t.Errorf("took %q after the context ended", pathsOf(items))
		}
	})
}

func BenchmarkQueue(b *testing.B) {
	const paths = 100_000
	flat := make([]tree.Path, paths)
	for i := range flat {
		flat[i] = tree.Path(fmt.Sprintf("folder%d/sub%d/file%d", i%10, i%1000, i))
	}
	b.Run("add, take, settle", func(b *testing.B) {
		for b.Loop() {
			q := newQueue(2)
			add(q, flat...)
			for n := 0; n < paths; {
				items := takeNow(q, maxBatch)
				settleAll(q, items)
				n += len(items)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*paths), "ns/path")
	})
	b.Run("all wait for one above", func(b *testing.B) {
		for b.Loop() {
			q := newQueue(2)
			add(q, "folder0")
			above := takeNow(q, 1)
			for _, p := range flat {
				q.add("folder0/"+p, dirt{})
			}
			for len(takeNow(q, maxBatch)) > 0 {
			}
			settleAll(q, above)
			for n := 0; n < paths; {
				items := takeNow(q, maxBatch)
				settleAll(q, items)
				n += len(items)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*paths), "ns/path")
	})
}
