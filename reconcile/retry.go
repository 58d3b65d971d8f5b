package reconcile

import (
	"context"
	"errors"
	"time"

	"lockstep/reconcile/tree"
)

// Pauses before a path is looked at again, doubled with each attempt.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	// A file that changed while it was read is read again soon, and after
	// maxUnsettled published as it is: it never rests, and is to be followed
	// all the same.
	firstChangedPause = 10 * time.Millisecond
	lastChangedPause  = 500 * time.Millisecond
	maxUnsettled      = 2 * time.Second
	// maxRestless is how long a pass waits for one that cannot even be published
	// so, for it gets shorter all the time.
	maxRestless = 5 * maxUnsettled

	// smallFile is the size up to which a full disk is tried again soon: what
	// filled it may be a large file beside, which did not fit and is gone.
	smallFile = 1 << 20
)

// errLate: what leads the names of a file is not equal yet. It has its own turn,
// and tells its own troubles.
var errLate = errors.New("its first name is not equal yet")

// lateAttempts is how often a name waits for the one that leads, a good second
// in all.
const lateAttempts = 7

// growing returns first doubled attempt times, but at most last.
func growing(first, last time.Duration, attempt int) time.Duration {
	for ; attempt > 0 && first < last; attempt-- {
		first *= 2
	}
	return min(first, last)
}

// fail decides, and nobody else does, when a path that went wrong is looked
// at again, and whether anybody is told.
func (b *batch) fail(ctx context.Context, l *look, err error) {
	m := b.m
	b.touch(l)
	l.attempt++
	switch {
	case !errors.Is(err, tree.ErrChanged):
		l.since = time.Time{}
	case l.since.IsZero():
		l.since = time.Now()
	}
	switch {
	case ctx.Err() != nil:
		b.settle(l, verdict{result: failed})
	case errors.Is(err, errNowhere):
		m.problems.solved(l.path)
		b.settle(l, verdict{result: absent})
	case errors.Is(err, errUnplacedAbove): // told there
		b.settle(l, verdict{result: failed})
	case tree.IsUnplaced(err): // only other names mend it, and they have events of their own
		m.problems.note(l.path, err, l.attempt)
		b.settle(l, verdict{result: failed})
	case isRootless(err) && !m.recovered():
		m.postpone(l.item, sourcePoll)
	case errors.Is(err, tree.ErrChanged), errors.Is(err, errLate):
		if errors.Is(err, tree.ErrChanged) && time.Since(l.since) > maxRestless {
			m.problems.note(l.path, err, l.attempt)
			m.tell(l.item, verdict{result: failed})
		}
		m.queue.delay(l.item, growing(firstChangedPause, lastChangedPause, l.attempt-1))
	case l.hitches < m.quietAttempts() && mayPass(err, l.src.Size):
		l.hitches++
		if errors.Is(err, tree.ErrNoParent) {
			m.queue.suggest(l.path.Parent(), dirt{cause: l.cause})
		}
		m.queue.delay(l.item, growing(firstChangedPause, lastChangedPause, l.attempt-1))
	default:
		if !errors.Is(err, tree.ErrNoParent) { // the parent's problem, told there
			m.problems.note(l.path, err, l.attempt)
		}
		l.troubles++
		m.postpone(l.item, growing(firstPause, lastPause, l.troubles-1))
	}
}

// mayPass reports whether err may be over in a moment, for a path of which size
// bytes were to be written.
func mayPass(err error, size int64) bool {
	return errors.Is(err, tree.ErrNoParent) || errors.Is(err, tree.ErrConflict) || isRootless(err) || isGivenUp(err) ||
		tree.IsFull(err) && size <= smallFile
}

// isRootless reports whether err is the trouble of one of the roots.
func isRootless(err error) bool {
	return errors.Is(err, tree.ErrSourceMissing) || errors.Is(err, tree.ErrUnreachable) || errors.Is(err, tree.ErrReplicaReplaced)
}

// isGivenUp reports whether somebody else ended what was asked of it: a server
// that stops, say.
func isGivenUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// quietAttempts is how often a path may find the replica other than expected,
// or full, or a root that is there again out of reach, before that is a
// problem.
const quietAttempts = 5

// quietAttempts grants a replica that folds names a second and more: so long the
// system may remember an entry by a spelling under which nobody removed it
// (entry_timeout, fuse(8)).
func (m *Mirror) quietAttempts() int {
	if m.traits.Names.Folds {
		return quietAttempts + 2
	}
	return quietAttempts
}

// postpone gives it back for a while; a pass that waits for it goes on.
func (m *Mirror) postpone(it *item, pause time.Duration) {
	m.tell(it, verdict{result: failed})
	it.hint = nil // it tells of a moment that is over then
	m.queue.delay(it, pause)
}

// tell answers those who asked for a running item without settling it. Nobody
// waits for it after that.
func (m *Mirror) tell(it *item, v verdict) {
	done := it.done
	it.done, it.pass = nil, nil
	for _, tell := range done {
		tell(v)
	}
}
