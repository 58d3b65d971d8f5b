package reconcile

import (
	"time"

	"lockstep/reconcile/tree"
)

// Cause says why a path is looked at. Of two causes the smaller one counts.
type Cause uint8

// The causes. A path that a watch reported may be removed at once; what a
// poll or a pass found missing has to get past the guard first.
const (
	// ByWatch: the operating system told of the path.
	ByWatch Cause = iota
	// ByPoll: a metadata walk over folders without a watch found it.
	ByPoll
	// ByPass: a pass found it different.
	ByPass
)

// String returns the word that logs use for c.
func (c Cause) String() string {
	if c == ByPass {
		return "pass"
	}
	return "event"
}

// dirt is why and how a path is to be looked at. Merging two never loses a
// wish of either.
type dirt struct {
	cause Cause
	// fresh asks for a new inode in the replica even if the bytes are equal.
	fresh bool
	// kept: a pass keeps the path back, to remove it later.
	kept bool
	// counted: a pass has held the removal against the limit already.
	counted bool
	// hint, if not nil, is the file or folder that a pass has just listed in
	// the source and not found in the replica: looking again before it is
	// brought over tells nothing that this does not notice.
	hint *tree.Entry
	// deep asks to compare what is in the folder too; pass, if not nil, waits
	// for what that finds.
	deep bool
	pass *pass
	// done are told what became of the path, once each.
	done []func(verdict)
}

func (d *dirt) merge(e dirt) {
	d.hint = nil
	d.cause = min(d.cause, e.cause)
	d.fresh = d.fresh || e.fresh
	d.kept = d.kept && e.kept
	d.counted = d.counted || e.counted
	d.deep = d.deep || e.deep
	if e.pass != nil {
		d.pass = e.pass
	}
	d.done = append(d.done, e.done...)
}

// item is a dirty path in the queue. While it runs, it belongs to the worker
// that took it; else to the queue. There may be millions that wait for their
// first turn, so what they need not is in their history.
type item struct {
	path tree.Path
	dirt
	// history is nil before the first turn.
	*history

	// Guarded by queue.mu.
	again *dirt // what came in while it ran
	// awaitedBy wait for a turn together with it: each may be its new name, and
	// then it is wanted.
	awaitedBy []*item
	wanted    bool
	state     itemState
	// hastened: some of what came in was told of, and not only suggested.
	hastened bool
	// big: a large file, of which only some may run at once.
	big bool
	// seen: it has had a turn; else it counts in that generation.
	seen       bool
	generation uint64
}

// history is what became of a dirty path in its turns, and says when it has
// the next one. It belongs to whom the item does.
type history struct {
	// attempt counts looks that did not settle the path. hitches counts those of
	// them that are over in a moment, mostly, and troubles those that were more.
	attempt, hitches, troubles int
	// since is when it was first found to change while it was read, if that is
	// all that went wrong from then on.
	since time.Time
	// gone: an earlier look found the source's entry gone, and the replica's
	// with this mark. moment is when its patience first ended, see backlog.
	gone   bool
	mark   signature
	moment uint64
	// patience is how long it waited for its new name the last time; awaited is
	// since when it waits for its former one.
	patience time.Duration
	awaited  time.Time

	// Guarded by queue.mu.
	due   time.Time // when delayed or awaiting
	index int       // in the heap, then
}

type itemState uint8

const (
	isReady itemState = iota
	isDelayed
	isParked   // waits for a relative
	isAwaiting // waits for a turn beside its former name, but not for ever
	isCrowded  // waits for a place among the big ones
	isRunning
)

// waits reports whether it has its turn as soon as another path allows it.
func (it *item) waits() bool { return it.state == isParked || it.state == isAwaiting }
