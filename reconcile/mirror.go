// Package reconcile decides what to do: it keeps the queue of dirty paths,
// makes one path equal at a time, compares both trees whole in a pass, and
// guards removals. It reads a [tree.Source] and writes a [tree.Replica] and
// knows no file system.
//
// Whoever watches the source calls [Mirror.Dirty]. What is to be done about a
// dirty path is decided from the fresh state of both sides when its turn
// comes, so the order, the number and the age of notices can cost a look but
// never do harm. A pass only compares; what differs joins the same queue.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/reconcile/tree"
)

// Options are the settings of a [Mirror]. The zero value of a field that must
// be positive is replaced by its default.
type Options struct {
	// Interval from the end of a pass to the beginning of the next; 5 min.
	Interval time.Duration
	// Workers is how many batches of paths are worked on at once; at least 2,
	// which is the default.
	Workers int
	// Comparers is how many folders are compared at once in a pass; at least 2,
	// and by default as many as there are workers.
	Comparers int
	// Method of comparing content in a pass.
	Method tree.Method
	// Patience is how long a path that is gone from the source waits for its
	// other name before it is removed; 20 ms.
	Patience time.Duration
	// MaxDelete limits removals in a pass and in a burst of events.
	MaxDelete Limit
	// AllowEmptySource lets an empty source empty the replica.
	AllowEmptySource bool
	// CountAhead makes a pass that takes longer than a second count what it
	// has still to compare, for [Status].
	CountAhead bool
	// Observer is told what happens; nil for nobody.
	Observer Observer
	// Apart returns nil while none of the two folders lies in the other; nil for
	// folders of two machines.
	Apart func() error
	// Wall reads the clock that goes on while the machine sleeps; nil for
	// the system's.
	Wall func() time.Time
}

// Defaults of [Options], and times that are decisions.
const (
	defaultInterval = 5 * time.Minute
	defaultPatience = 20 * time.Millisecond
	leastWorkers    = 2

	// sourcePoll is how often a source that is missing is looked for.
	sourcePoll = time.Second
	// passShare is how many times as long as the last pass took a pass that
	// is made again waits at least.
	passShare = 10
	// clockPoll is how often the wall clock is held against the monotonic
	// one; a jump of more than clockGap means that the machine slept, when
	// events may have been lost.
	clockPoll = 15 * time.Second
	clockGap  = time.Minute
)

// ErrOverlap: one of the trees was found inside the other.
var ErrOverlap = errors.New("source and replica overlap")

// Mirror keeps a replica equal to a source. Its methods are safe for
// concurrent use, but only one of Run, Once and Compare may be called, once.
type Mirror struct {
	// Set by New.
	source  tree.Source
	replica tree.Replica
	traits  tree.Traits
	o       Options

	queue     *queue
	guard     *guard
	links     *links
	gone      *vanished
	problems  *problems
	requests  chan PassCause
	fallenIll chan struct{} // a root was found ill
	following following
	lostTold  atomic.Uint32

	// Guarded by mu.
	mu         sync.Mutex
	current    *pass
	last       Report
	lastProof  time.Time
	replicaIll bool
}

// New returns a Mirror of source in replica. It starts nothing, and does not
// close either of them.
func New(source tree.Source, replica tree.Replica, o Options) *Mirror {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	o.Workers = max(o.Workers, leastWorkers)
	if o.Comparers <= 0 {
		o.Comparers = o.Workers
	}
	o.Comparers = max(o.Comparers, leastWorkers)
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Apart == nil {
		o.Apart = func() error { return nil }
	}
	if o.Wall == nil {
		o.Wall = func() time.Time { return time.Now().Round(0) } // without the monotonic reading
	}
	return &Mirror{
		source:    source,
		replica:   replica,
		traits:    replica.Traits(),
		o:         o,
		queue:     newQueue(o.Workers),
		guard:     newGuard(o),
		links:     newLinks(),
		following: following{last: map[tree.Path]*turn{}},
		gone:      newVanished(),
		problems:  newProblems(o.Observer),
		requests:  make(chan PassCause, 1),
		fallenIll: make(chan struct{}, 1),
	}
}

// Dirty makes paths be looked at soon: slash-separated, raw bytes, relative
// to the source. It never blocks for long.
func (m *Mirror) Dirty(paths []string, cause Cause) {
	if cause == ByWatch {
		told := m.guard.told(paths)
		m.tellHolds(told)
		m.findReleased(told)
	}
	m.queue.addAll(paths, dirt{cause: cause})
}

// RequestPass makes a pass begin as soon as none is running. Requests made
// meanwhile are one.
func (m *Mirror) RequestPass(cause PassCause) {
	if cause == OnOverflow {
		m.tellHolds(m.guard.mayHaveTold())
	}
	select {
	case m.requests <- cause:
	default:
	}
}

// Run mirrors until ctx ends, which is no error: a pass at once, then what
// Dirty says, and a pass every interval. Only what makes going on pointless
// is returned: [ErrOverlap].
func (m *Mirror) Run(ctx context.Context) error {
	return m.withWorkers(ctx, m.runPasses)
}

// Once makes one pass, works off its drift and returns what it found.
func (m *Mirror) Once(ctx context.Context) (Report, error) {
	var report Report
	err := m.withWorkers(ctx, func(ctx context.Context) (err error) {
		report, err = m.pass(ctx, AtStart)
		return err
	})
	return report, err
}

// withWorkers runs body beside the workers, which have all ended when it
// returns, even if body panics: whoever recovers may close the replica.
func (m *Mirror) withWorkers(ctx context.Context, body func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for range m.o.Workers {
		workers.Go(func() { m.work(ctx) })
	}
	defer func() {
		cancel()
		workers.Wait()
		m.queue.close()
	}()
	return body(ctx)
}

// runPasses owns the schedule: never two passes at once, the next one an
// interval after the last ended.
func (m *Mirror) runPasses(ctx context.Context) error {
	cause, attempt := AtStart, 0
	for {
		report, err := m.pass(ctx, cause)
		ill := m.ailing()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrOverlap):
			return err
		case report.retry && !ill: // a root that is ill is looked at anyway
			attempt++
		default:
			attempt = 0
		}
		if cause = m.awaitPass(ctx, wait{attempt, report.Elapsed, ill}); cause == "" {
			return nil
		}
	}
}

// wait is what says how long it is until the next pass.
type wait struct {
	// attempt is how many passes before could not compare everything, and last
	// how long the last one took.
	attempt int
	last    time.Duration
	// ill: a root was, when the last pass ended.
	ill bool
}

// awaitPass returns the cause of the next pass, "" when ctx ended. After passes
// that could not compare everything it comes earlier, but not so early that
// passes are all there is. So it does when a root is well again that was ill,
// whoever is the first to notice. None is due while the replica is out of reach.
func (m *Mirror) awaitPass(ctx context.Context, w wait) PassCause {
	pause, due := m.o.Interval, AtInterval
	if w.attempt > 0 {
		if sooner := max(growing(firstPause, pause, w.attempt-1), passShare*w.last); sooner < pause {
			pause, due = sooner, OnRetry
		}
	}
	interval := time.NewTimer(pause)
	defer interval.Stop()
	poll := time.NewTicker(clockPoll)
	defer poll.Stop()
	seen, wall := time.Now(), m.o.Wall()
	for hurried := false; ; {
		if !hurried && (w.ill || m.ailing()) {
			poll.Reset(sourcePoll)
			hurried = true
		}
		select {
		case <-ctx.Done():
			return ""
		case <-interval.C:
			if errors.Is(m.checkReplica(), tree.ErrUnreachable) { // of nothing there is nothing to tell
				interval.Reset(pause)
				continue
			}
			return due
		case cause := <-m.requests:
			return cause
		case <-m.fallenIll:
			continue
		case <-poll.C:
		}
		awake, passed := time.Since(seen), m.o.Wall().Sub(wall)
		if passed-awake > clockGap {
			return OnResume
		}
		seen, wall = seen.Add(awake), wall.Add(passed)
		if (w.ill || m.ailing()) && m.recovered() {
			select {
			case <-m.requests: // this pass will do
			default:
			}
			return OnReturn
		}
	}
}

// ailing reports whether one of the roots was not as it should be when it was
// last looked at.
func (m *Mirror) ailing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.replicaIll || m.guard.holdsRoot()
}

// recovered looks at both roots again.
func (m *Mirror) recovered() bool {
	return m.checkSource() == nil && m.checkReplica() == nil
}

// CheckSource looks at the source root again, for somebody who has reason to
// think that it is gone or back, and tells of removals held or released.
func (m *Mirror) CheckSource() { m.checkSource() }

// checkSource returns nil when removals may rely on the source root, and
// tells the guard otherwise. Removals that were held until now are found by
// another pass.
func (m *Mirror) checkSource() error {
	err := m.source.Check()
	told := m.guard.rootIs(err)
	m.tellHolds(told)
	if err != nil {
		m.hurry()
		return err
	}
	m.findReleased(told)
	return nil
}

// findReleased has a pass find the removals that were held until now.
func (m *Mirror) findReleased(c change) {
	if slices.ContainsFunc(c.released, func(h Hold) bool { return h.Count > 0 }) {
		m.RequestPass(OnReturn)
	}
}

// checkReplica returns nil when the replica may be written. Trouble is told
// once, and an absence too, however many ways there are to find it.
func (m *Mirror) checkReplica() error {
	err := m.replica.Check()
	m.mu.Lock()
	was := m.replicaIll
	m.replicaIll = err != nil
	m.mu.Unlock()
	switch {
	case err != nil:
		m.hurry()
		if !was || !errors.Is(err, tree.ErrUnreachable) {
			m.problems.note(tree.Root, err, 0)
		}
	case was:
		m.problems.solved(tree.Root)
	}
	return err
}

// checkApart returns [ErrOverlap] when one of the folders lies in the other.
func (m *Mirror) checkApart() error {
	if err := m.o.Apart(); err != nil {
		return fmt.Errorf("%w: %w", ErrOverlap, err)
	}
	return nil
}

// hurry lets the schedule know that a root is ill: it is looked at more often.
func (m *Mirror) hurry() {
	select {
	case m.fallenIll <- struct{}{}:
	default:
	}
}

func (m *Mirror) tellHolds(c change) {
	for _, h := range c.held {
		m.o.Observer.Held(h)
	}
	for _, h := range c.released {
		m.o.Observer.Released(h)
	}
}

// noteLost tells once for each class that the replica cannot hold.
func (m *Mirror) noteLost(lost tree.Attributes, path tree.Path) {
	if lost == 0 {
		return
	}
	for {
		told := m.lostTold.Load()
		fresh := uint32(lost) &^ told
		if fresh == 0 {
			return
		}
		if m.lostTold.CompareAndSwap(told, told|fresh) {
			for class := tree.Attributes(1); class != 0; class <<= 1 {
				if fresh&uint32(class) != 0 {
					m.o.Observer.Lost(class, path)
				}
			}
			return
		}
	}
}

// Status returns the state of the mirror at a glance.
func (m *Mirror) Status() Status {
	s := Status{Waiting: m.queue.busy(), Problems: m.problems.count(), Held: m.guard.holds()}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.LastProof, s.LastDigest = m.lastProof, m.last.Digest
	if p := m.current; p != nil {
		s.Passing, s.PassBegan = true, p.began
		s.Files = p.files.Load()
		// Both sides were read of what was there, and one of what was not.
		s.Bytes = p.bytes.Load()/2 + p.copied.Load()
		s.TotalFiles, s.TotalBytes = p.totalFiles.Load(), p.totalBytes.Load()
	}
	return s
}

// silent is the Observer that tells nobody.
type silent struct{}

func (silent) Acted([]Acted)                   {}
func (silent) PassStarted(PassCause)           {}
func (silent) PassDone(Report)                 {}
func (silent) Held(Hold)                       {}
func (silent) Released(Hold)                   {}
func (silent) Problem(Problem)                 {}
func (silent) Solved(tree.Path)                {}
func (silent) Lost(tree.Attributes, tree.Path) {}
