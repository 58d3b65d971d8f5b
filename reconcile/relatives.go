package reconcile

import (
	"slices"

	"lockstep/reconcile/tree"
)

// park puts it aside when something is in its way.
func (q *queue) park(it *item) bool {
	blocker, blocked := q.blocker(it.path)
	if blocked {
		it.state = isParked
		q.parked[blocker] = append(q.parked[blocker], it)
	}
	return blocked
}

// blocker returns the path that has to end before path may run, path itself
// for all that is below it: one above or below that runs, or one above that
// has its turn next, for else there might always be something running below
// that. But nothing waits for a folder that waits for a big file.
func (q *queue) blocker(path tree.Path) (tree.Path, bool) {
	if q.below[path] > 0 {
		return path, true
	}
	for p := path; p != tree.Root; {
		p = p.Parent()
		above, ok := q.items[p]
		if ok && (above.state == isRunning || above.waits() && q.bigRunning == 0) {
			return p, true
		}
	}
	return "", false
}

// relativeRuns reports whether a path above or below runs.
func (q *queue) relativeRuns(path tree.Path) bool {
	if q.below[path] > 0 {
		return true
	}
	for p := path; p != tree.Root; {
		p = p.Parent()
		if above, ok := q.items[p]; ok && above.state == isRunning {
			return true
		}
	}
	return false
}

// worksBelow reports whether something runs below path.
func (q *queue) worksBelow(path tree.Path) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.below[path] > 0
}

func (q *queue) start(it *item) {
	if it.state = isRunning; it.history == nil {
		it.history = &history{}
	}
	it.hastened = false
	q.running++
	if it.big {
		q.bigRunning++
	}
	for p := it.path; p != tree.Root; {
		p = p.Parent()
		if q.below[p]++; q.below[p] > 1 {
			return // counts for those above already
		}
	}
}

// finish undoes start and wakes what waited for it, what is above before what
// is below: a folder that is new, with others in it, can only be made from
// there on.
func (q *queue) finish(it *item) {
	q.see(it)
	q.running--
	if it.big {
		q.bigRunning--
		q.letBig()
	}
	var freed []tree.Path
	for p := it.path; p != tree.Root; {
		p = p.Parent()
		if q.below[p]--; q.below[p] > 0 {
			break
		}
		delete(q.below, p)
		if _, ok := q.parked[p]; ok {
			freed = append(freed, p)
		}
	}
	for _, p := range slices.Backward(freed) {
		q.unpark(p)
	}
	q.unpark(it.path)
}

// letBig has the next big path try for a place among the big ones, if there is
// one: for that of a path that ended, and for that of one that was let but had
// to be parked, whose end may depend on another that waits.
func (q *queue) letBig() bool {
	if q.bigRunning >= q.bigLimit || len(q.bigWaiting) == 0 {
		return false
	}
	q.makeReady(q.bigWaiting[0])
	q.bigWaiting = q.bigWaiting[1:]
	return true
}

func (q *queue) unpark(path tree.Path) {
	waiting, ok := q.parked[path]
	if !ok {
		return
	}
	delete(q.parked, path)
	for _, it := range waiting {
		q.wake(it)
	}
}
