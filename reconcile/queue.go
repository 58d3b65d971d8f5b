package reconcile

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"lockstep/reconcile/tree"
)

// queue holds every dirty path once: waiting or running, and dirty again when
// it came in while it ran. A path never runs beside one above or below it.
// Work is first come, first served, but for paths that wait for a time, for a
// relative or for a place among the big ones. Every call costs O(depth).
type queue struct {
	workers  int
	bigLimit int

	mu      sync.Mutex
	changed *sync.Cond // ready grew, or a worker's context ended
	idle    *sync.Cond // nothing waits or runs, or a waiter's context ended
	items   map[tree.Path]*item
	hinted  bool    // some of items have hints, maybe
	ready   []*item // first come, first served
	sooner  []*item // those that had their turn and could not take it; served before
	delayed dueHeap
	timer   *time.Timer
	// running counts; below has, for each folder that something runs below, how
	// many entries directly in it run or have something running below them;
	// parked has what waits for a path to end, or for all below.
	running    int
	below      map[tree.Path]int
	parked     map[tree.Path][]*item
	bigRunning int
	bigWaiting []*item
	backlog
}

func newQueue(workers int) *queue {
	q := &queue{
		workers:  workers,
		bigLimit: max(1, workers-1),
		items:    make(map[tree.Path]*item),
		below:    make(map[tree.Path]int),
		parked:   make(map[tree.Path][]*item),
		backlog:  backlog{unseen: make(map[uint64]int)},
	}
	q.changed = sync.NewCond(&q.mu)
	q.idle = sync.NewCond(&q.mu)
	return q
}

// add makes path dirty. A path that waits for a retry is brought forward.
func (q *queue) add(path tree.Path, d dirt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(path, d, true)
}

// addAll adds paths at once: no worker gets one before all are there, so that
// what belongs together can meet.
func (q *queue) addAll(paths []string, d dirt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, path := range paths {
		q.put(tree.Path(path), d, true)
	}
}

// suggest is add, but leaves a path that waits for a retry its pause.
func (q *queue) suggest(path tree.Path, d dirt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(path, d, false)
}

// put makes path dirty. The caller holds mu.
func (q *queue) put(path tree.Path, d dirt, hasten bool) {
	it, known := q.items[path]
	if !known {
		it = &item{path: path, dirt: d}
		q.items[path] = it
		q.hinted = q.hinted || d.hint != nil
		q.foresee(it)
		q.makeReady(it)
		return
	}
	if it.state == isRunning {
		if it.again == nil {
			it.again = &dirt{cause: d.cause}
		}
		it.again.merge(d)
		it.hastened = it.hastened || hasten
		return
	}
	it.merge(d)
	if it.state == isDelayed && hasten && !it.gone {
		heap.Remove(&q.delayed, it.index)
		q.makeReady(it)
	}
}

// makeReady lets a worker have it. The caller holds mu.
func (q *queue) makeReady(it *item) {
	it.state = isReady
	q.ready = append(q.ready, it)
	q.changed.Signal()
}

// leastBatch is how many paths a worker may take although others are free:
// the two names of a rename should meet in one batch.
const leastBatch = 16

// take blocks until there is work and returns up to limit paths, and those
// that awaited one of them, none the same as or below another, marked as
// running. A big one comes alone. It returns nil when ctx ended. Each path must be given back with settle or
// delay.
func (q *queue) take(ctx context.Context, limit int) []*item {
	stop := context.AfterFunc(ctx, q.wakeAll)
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if ctx.Err() != nil {
			return nil
		}
		q.release(time.Now())
		if batch := q.takeReady(limit); len(batch) > 0 {
			return batch
		}
		q.changed.Wait()
	}
}

func (q *queue) wakeAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
	q.idle.Broadcast()
}

func (q *queue) takeReady(limit int) []*item {
	var batch []*item
	for again := true; again && len(batch) == 0; again = q.letBig() {
		share := min(limit, max(leastBatch, (len(q.sooner)+len(q.ready))/q.workers))
		q.sooner, batch = q.takeFrom(q.sooner, share, nil)
		q.ready, batch = q.takeFrom(q.ready, share, batch)
	}
	if len(q.sooner)+len(q.ready) > 0 {
		q.changed.Signal()
	}
	return batch
}

// takeFrom starts what can run of a line until batch has its share, and
// returns the rest of the line. A big path makes a batch of its own.
func (q *queue) takeFrom(line []*item, share int, batch []*item) (rest, taken []*item) {
	n := 0
	for ; n < len(line) && len(batch) < share; n++ {
		it := line[n]
		switch {
		case len(batch) > 0 && (it.big || batch[0].big):
			return line[n:], batch
		case q.park(it):
		case it.big && q.bigRunning >= q.bigLimit:
			it.state = isCrowded
			q.bigWaiting = append(q.bigWaiting, it)
		default:
			q.start(it)
			batch = append(batch, it)
			batch = append(batch, q.startAwaiting(it)...)
		}
		line[n] = nil
	}
	if n == len(line) {
		return line[:0], batch
	}
	return line[n:], batch
}

// settle ends the run of it and tells v to those who asked. When the path
// became dirty meanwhile, it is waiting again.
func (q *queue) settle(it *item, v verdict) { q.settleAll([]ended{{it: it, v: v}}) }

// settleAll settles what is done with, and leaves out what is to be looked at
// again later.
func (q *queue) settleAll(all []ended) {
	told := make([][]func(verdict), len(all))
	q.mu.Lock()
	for i, e := range all {
		if e.settles() {
			told[i] = e.it.done
			q.end(e.it)
		}
	}
	if len(q.items) == 0 {
		q.idle.Broadcast()
	}
	q.mu.Unlock()
	for i, e := range all {
		for _, tell := range told[i] {
			tell(e.v)
		}
	}
}

// end ends the run of it for good, unless it became dirty meanwhile. The
// caller holds mu.
func (q *queue) end(it *item) {
	again := it.again
	q.finish(it)
	if again == nil {
		delete(q.items, it.path)
		return
	}
	*it = item{path: it.path, dirt: *again}
	q.foresee(it)
	q.makeReady(it)
}

// delay ends the run of it without settling it: after pause it is ready
// again, at once if it became dirty meanwhile and was not only suggested.
func (q *queue) delay(it *item, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.putBack(it, pause)
}

// putBack is delay. The caller holds mu.
func (q *queue) putBack(it *item, pause time.Duration) {
	q.finish(it)
	if it.again != nil {
		it.merge(*it.again)
		it.again = nil
		if it.hastened {
			pause = 0
		}
	}
	if pause <= 0 {
		q.makeReady(it)
		return
	}
	q.pause(it, pause)
}

// pause lets it wait. The caller holds mu.
func (q *queue) pause(it *item, pause time.Duration) {
	it.state = isDelayed
	it.due = time.Now().Add(pause)
	heap.Push(&q.delayed, it)
	q.arm()
}

// enlarge makes a running item big and waiting again.
func (q *queue) enlarge(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finish(it)
	it.big = true
	if it.again != nil {
		it.merge(*it.again)
		it.again = nil
	}
	q.makeReady(it)
}

// claim takes path out of its turn, for a worker that already runs another
// path and found that the two belong together. The path must be waiting out its
// time, or not be known because a pass keeps it back; it returns nil for any
// other, and while something above or below it runs.
func (q *queue) claim(path tree.Path) *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	it, ok := q.items[path]
	if ok && it.state != isDelayed {
		return nil
	}
	if q.relativeRuns(path) { // whose turn is next does not matter: this is part of a turn
		return nil
	}
	if ok {
		heap.Remove(&q.delayed, it.index)
	} else {
		it = &item{path: path, dirt: dirt{cause: ByPass, kept: true}, seen: true}
		q.items[path] = it
	}
	q.start(it)
	return it
}

// forgetHints makes what waits below path be looked at.
func (q *queue) forgetHints(path tree.Path) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.hinted { // true of most times, when very many paths may be dirty
		return
	}
	q.hinted = false
	for below, it := range q.items {
		switch {
		case it.state == isRunning: // it belongs to a worker
			q.hinted = true
		case path.Holds(below):
			it.hint = nil
		case it.hint != nil:
			q.hinted = true
		}
	}
}

// release moves what is due to ready. The caller holds mu.
func (q *queue) release(now time.Time) {
	for len(q.delayed) > 0 && !q.delayed[0].due.After(now) {
		q.makeReady(heap.Pop(&q.delayed).(*item))
	}
	q.arm()
}

// arm sets the timer for the next delayed path. The caller holds mu.
func (q *queue) arm() {
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	if len(q.delayed) > 0 {
		q.timer = time.AfterFunc(time.Until(q.delayed[0].due), q.wakeAll)
	}
}

// waitIdle returns when nothing waits or runs, or ctx ended.
func (q *queue) waitIdle(ctx context.Context) error {
	stop := context.AfterFunc(ctx, q.wakeAll)
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		q.idle.Wait()
	}
	return nil
}

// runningPaths returns the paths that workers are at.
func (q *queue) runningPaths() []tree.Path {
	q.mu.Lock()
	defer q.mu.Unlock()
	var running []tree.Path
	for path, it := range q.items {
		if it.state == isRunning {
			running = append(running, path)
		}
	}
	return running
}

// busy returns how many paths run or wait for their turn; those that wait out
// a pause are not counted.
func (q *queue) busy() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - len(q.delayed)
}

// close stops the timer; workers are stopped by their context.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer != nil {
		q.timer.Stop()
	}
}
