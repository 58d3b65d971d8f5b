package reconcile

import (
	"container/heap"
	"slices"
	"time"

	"lockstep/reconcile/tree"
)

// await ends the run of it without settling it: it has its next turn together
// with other, a path that is or may be gone, and that is not removed before; or
// when most have passed. Until then nothing starts below either of them, as
// long as there is no big file.
func (q *queue) await(it *item, other tree.Path, most time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finish(it)
	q.unsee(it)
	if it.again != nil {
		it.merge(*it.again)
		it.again = nil
	}
	if it.big { // it has its turn alone
		q.pause(it, firstChangedPause)
		return
	}
	q.pause(it, most)
	it.state = isAwaiting
	at, known := q.items[other]
	blocker, blocked := q.blocker(other)
	switch {
	case known && at.state == isRunning:
		q.parked[other] = append(q.parked[other], it)
	case !known && blocked:
		q.parked[blocker] = append(q.parked[blocker], it)
	case !known: // whatever it was is over
		q.wake(it)
	default:
		at.wanted = true
		at.awaitedBy = append(at.awaitedBy, it)
		if at.state != isDelayed {
			return
		}
		heap.Remove(&q.delayed, at.index)
		if !blocked {
			q.hurry(at)
			return
		}
		at.state = isParked
		q.parked[blocker] = append(q.parked[blocker], at)
	}
}

// startAwaiting starts what awaits it and can run beside it; the rest is parked.
func (q *queue) startAwaiting(it *item) (started []*item) {
	for _, next := range it.awaitedBy {
		if next.state != isAwaiting {
			continue // it has waited long enough
		}
		heap.Remove(&q.delayed, next.index)
		switch {
		case it.big: // it has its turn alone
			next.state = isParked
			q.parked[it.path] = append(q.parked[it.path], next)
		case !q.park(next):
			q.start(next)
			started = append(started, next)
		}
	}
	it.awaitedBy = nil
	return started
}

// wake makes a path ready that waits for another one, if it still does. The
// caller holds mu.
func (q *queue) wake(it *item) {
	switch it.state {
	case isAwaiting:
		heap.Remove(&q.delayed, it.index)
	case isParked:
	default:
		return
	}
	if it.wanted { // before anything starts below it again
		q.hurry(it)
		return
	}
	it.state = isReady
	q.sooner = append(q.sooner, it)
	q.changed.Signal()
}

// hurry makes a path ready before all others. The caller holds mu.
func (q *queue) hurry(it *item) {
	it.state = isReady
	q.sooner = slices.Insert(q.sooner, 0, it)
	q.changed.Signal()
}

// aboveWork returns up to limit paths that wait for what runs below them, while
// nothing above waits.
func (q *queue) aboveWork(limit int) []tree.Path {
	q.mu.Lock()
	defer q.mu.Unlock()
	var paths []tree.Path
	for path := range q.parked {
		if len(paths) < limit && q.isParked(path) && !q.parkedAbove(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func (q *queue) isParked(path tree.Path) bool {
	it, ok := q.items[path]
	return ok && it.state == isParked
}

func (q *queue) parkedAbove(path tree.Path) bool {
	for path != tree.Root {
		if path = path.Parent(); q.isParked(path) {
			return true
		}
	}
	return false
}
