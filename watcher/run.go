package watcher

import (
	"context"
	"hash/maphash"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	tryEvery   = 10 * time.Second     // how soon watches that became free are used
	rarely     = 30 * time.Second     // how soon the root is looked at though nothing was heard
	laterEvery = time.Second          // pause before something that failed for want of handles is tried again
	stormPause = time.Second          // least time between the end of a re-walk and the next
	sliceTime  = 5 * time.Millisecond // the longest that events wait for walking and polling
	sliceCount = 256                  // the same, in folders, where the clock stands still
	inboxSlice = 512                  // the same, for delivery while a storm of events is handled
)

// run is one call of [Watcher.Run]. Everything in it belongs to that goroutine, but for the drain, which has a lock.
type run struct {
	w      *Watcher
	sink   Sink
	start  time.Time
	wake   chan struct{}
	prefix string // the root with a separator at its end

	backend backend // nil while there is none
	drain   *drain  // of backend
	place   *place  // nil while resting: a handle would keep the root's mount busy

	// The root.
	rootID   rootID
	rootAttr attr
	lost     bool // there is no folder at the root; nothing is known, watched or reported
	lostTold bool
	replaced bool // an event said that the root went away
	checked  time.Duration
	nextRoot time.Duration // at the latest: see rootDue
	around   *surroundings // nil where they are not heard
	astir    atomic.Bool   // something was heard since they were heeded
	table    mountTable

	// What is known, and what is to be done.
	tree   *folders
	mounts map[*folder]struct{} // those on another file system than their parent
	inbox  []event
	stack  []item
	later  []item
	dirty  *debouncer
	found  []string // dirty paths from polling, reported at the end of the turn

	listing []byte // where the system puts a part of a folder

	// The walk over everything: at the start, after an overflow, after the root returned.
	ready     bool
	walking   bool
	why       Reason
	left      int // items of the walk on the stack
	walkStart time.Duration
	overflow  bool
	broken    bool
	nextWalk  time.Duration

	// Limits.
	mayWatch  bool // no Add failed for want of watches since one may have become free
	limitHit  bool
	told      map[Class]bool
	nextTry   time.Duration
	nextLater time.Duration
	stalled   time.Duration // until then the root is not opened: it failed, for want of handles perhaps

	round pollRound
	seed  maphash.Seed
}

// item is a folder to watch and list.
type item struct {
	path   string
	pass   bool // part of the walk over everything: what it finds is for the pass that follows, and not reported
	relist bool // list it though it is known
	tries  uint8
	by     Origin
}

func newRun(w *Watcher, s Sink) *run {
	r := &run{
		w:        w,
		sink:     s,
		start:    time.Now(),
		wake:     make(chan struct{}, 1),
		prefix:   strings.TrimSuffix(w.root, string(filepath.Separator)) + string(filepath.Separator),
		lost:     true,
		tree:     newFolders(),
		mounts:   make(map[*folder]struct{}),
		dirty:    newDebouncer(w.options.Quiet, w.options.MaxDelay),
		mayWatch: true,
		told:     make(map[Class]bool),
		seed:     maphash.MakeSeed(),
		listing:  make([]byte, listBytes),
	}
	r.round.period = w.options.Poll
	return r
}

func (r *run) now() time.Duration { return time.Since(r.start) }

// loop does a bounded piece of work, delivers what is due, and rests when there is nothing more to do.
func (r *run) loop(ctx context.Context) {
	defer r.leave()
	defer r.table.close()
	defer r.ignore()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.turn()
		rest := r.rest()
		if rest <= 0 {
			continue
		}
		r.leave()
		timer.Reset(rest)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
	}
}

func (r *run) turn() {
	r.receive()
	if r.replaced || r.now() >= r.rootDue() {
		r.checkRoot()
	}
	if !r.lost {
		r.handleEvents()
		r.rewalk()
		r.walk()
		r.tryAgain()
		r.poll()
		r.finishWalk()
		r.deliver()
	}
	r.publish()
}

// rest returns how long there is nothing to do; 0 if there is something now.
func (r *run) rest() time.Duration {
	now := r.now()
	until := r.rootDue()
	earlier := func(t time.Duration) { until = min(until, t) }
	if !r.lost && now < r.stalled {
		earlier(r.stalled)
	} else if !r.lost {
		if len(r.inbox) > 0 || len(r.stack) > 0 || r.round.left > 0 {
			return 0
		}
		if r.drain != nil && r.drain.waits() { // its wake-up came while the inbox was full
			return 0
		}
		if len(r.tree.polled) > 0 {
			earlier(r.round.next)
		}
		if len(r.later) > 0 {
			earlier(r.nextLater)
		}
		if (r.overflow || r.broken) && !r.walking {
			earlier(r.nextWalk)
		}
		if r.backend == nil || (!r.mayWatch && r.tree.counts[overLimit] > 0) {
			earlier(r.nextTry)
		}
	}
	if next, ok := r.dirty.next(); ok {
		earlier(next)
	}
	return until - now
}

// receive takes what the drain has gathered, once what was taken before is handled.
func (r *run) receive() {
	if r.drain == nil || len(r.inbox) > 0 {
		return
	}
	var overflow, broken bool
	r.inbox, overflow, broken = r.drain.take()
	r.overflow = r.overflow || overflow
	r.broken = r.broken || broken
}

// deliver hands over what is due. A path whose folder is not known any more is left out: that folder, or one above it,
// was reported when it went, and if it went elsewhere in the tree it was listed there.
func (r *run) deliver() {
	due := r.dirty.take(r.now())
	kept := due[:0]
	for _, path := range due {
		if r.known(path) {
			kept = append(kept, path)
		}
	}
	if len(kept) > 0 {
		r.sink.Dirty(kept, Watched)
	}
	if len(r.found) > 0 {
		r.sink.Dirty(r.found, Polled)
		r.found = nil
	}
}

func (r *run) known(path string) bool {
	if path == "" {
		return true
	}
	_, ok := r.tree.byPath[dir(path)]
	return ok
}

// report notes that path is dirty. What is found before the first pass is for that pass.
func (r *run) report(path string, by Origin) {
	switch {
	case !r.ready:
	case by == Polled:
		r.found = append(r.found, path)
	default:
		now := r.now()
		r.dirty.add(path, now, now)
	}
}

func (r *run) publish() {
	r.w.watched.Store(int64(r.tree.counts[watched]))
	r.w.polled.Store(int64(r.tree.polledCount()))
	r.w.blind.Store(int64(r.tree.counts[blind]))
	if !r.ready {
		r.w.elapsed.Store(int64(r.now()))
	}
}

// here returns the handle of the root; nil if there is none now, or another folder is there, which the next turn
// settles.
func (r *run) here() *place {
	if r.place != nil || r.now() < r.stalled {
		return r.place
	}
	p, err := r.w.enter(r.w.root)
	switch {
	case err == nil && p.id == r.rootID.identity:
		r.place = p
	case err == nil:
		p.close()
		r.nextRoot = r.now()
	case gone(err):
		r.nextRoot = r.now()
	default:
		r.stalled = r.now() + laterEvery
		r.nextRoot = min(r.nextRoot, r.checked+r.w.rootEvery)
	}
	return r.place
}

// leave lets go of the root.
func (r *run) leave() {
	if r.place != nil {
		r.place.close()
		r.place = nil
	}
}

func (r *run) abs(path string) string {
	if path == "" {
		return r.w.root
	}
	return r.prefix + filepath.FromSlash(path)
}

// relative returns the path of a name that the backend gave.
func (r *run) relative(name string) (string, bool) {
	if name == r.w.root {
		return "", true
	}
	path, ok := strings.CutPrefix(name, r.prefix)
	return filepath.ToSlash(path), ok
}

func (r *run) include(path string, folder bool) bool {
	return r.w.options.Include == nil || r.w.options.Include(path, folder)
}

// openBackend makes a backend and starts its drain. Without one, everything is polled.
func (r *run) openBackend() {
	b, err := r.w.open()
	r.nextTry = r.now() + tryEvery
	if err != nil {
		limit := instanceLimit()
		r.tell(Notice{Class: InstanceLimit, Detail: "no watcher can be had; polling", Limit: limit, Remedy: instanceRemedy(limit), Err: err})
		return
	}
	r.backend, r.drain = b, newDrain(r.wake, r.now)
	r.mayWatch = true
	go r.drain.run(b)
}

// closeBackend ends the backend, which removes all watches, and waits for its drain.
func (r *run) closeBackend() {
	if r.backend == nil {
		return
	}
	r.backend.Close() // nothing is left that an error could harm
	<-r.drain.done
	r.backend, r.drain = nil, nil
}

// tell passes n on, unless its class was told before.
func (r *run) tell(n Notice) {
	if !r.told[n.Class] {
		r.told[n.Class] = true
		r.sink.Notice(n)
	}
}
