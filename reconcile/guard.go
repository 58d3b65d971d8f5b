package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lockstep/reconcile/tree"
)

// Limit bounds removals by number or by share of the replica. The zero Limit
// sets no bound.
type Limit struct {
	set     bool
	count   int64
	percent float64
}

// ParseLimit reads "N" or "N%".
func ParseLimit(text string) (Limit, error) {
	share, isShare := strings.CutSuffix(text, "%")
	if isShare {
		p, err := strconv.ParseFloat(share, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return Limit{}, fmt.Errorf("%q is no share from 0%% to 100%%", text)
		}
		return Limit{set: true, percent: p, count: -1}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return Limit{}, fmt.Errorf("%q is no number of removals", text)
	}
	return Limit{set: true, count: n}, nil
}

// String returns l as ParseLimit reads it, "" for no limit.
func (l Limit) String() string {
	switch {
	case !l.set:
		return ""
	case l.count < 0:
		return strconv.FormatFloat(l.percent, 'g', -1, 64) + "%"
	default:
		return strconv.FormatInt(l.count, 10)
	}
}

// of returns how many removals l allows in a replica of so many entries.
func (l Limit) of(entries int64) int64 {
	if l.count >= 0 {
		return l.count
	}
	return int64(float64(entries) * l.percent / 100)
}

// burstGap ends a burst of removals: the next one is counted from zero.
const burstGap = 2 * time.Second

// guard knows the reasons to hold removals. It never holds anything else.
type guard struct {
	limit      Limit
	allowEmpty bool

	mu   sync.Mutex
	held map[HoldReason]*Hold
	// mounts of the source that were seen, and whether they are still there.
	mounts map[tree.Path]bool
	// top has names of the root as it was last listed with a name that was
	// known before, and whether a watch told of each since, or may have. It is
	// nil until the root was listed with something in it.
	top map[string]bool
	// emptyNow: the last listing of the root had nothing in it; strangeNow: it
	// had names, but none in top. Neither where that was seen.
	emptyNow, strangeNow bool
	// entries of the replica after the last pass; burst counts removals that
	// went through for events until lastAsked, when one was asked for, is
	// burstGap ago.
	entries   int64
	burst     int64
	lastAsked time.Time
	// passHeld: the limit holds a removal that the pass did not keep back.
	passHeld bool
}

func newGuard(o Options) *guard {
	return &guard{
		limit:      o.MaxDelete,
		allowEmpty: o.AllowEmptySource,
		held:       make(map[HoldReason]*Hold),
		mounts:     make(map[tree.Path]bool),
	}
}

// change lists the holds that are to be told of: those that are new and those
// that ended.
type change struct{ held, released []Hold }

// The remedies, as a person is told them.
var remedies = map[HoldReason]string{
	SourceMissing:   "bring the source folder back; removals go on by themselves",
	SourceUnread:    "removals go on by themselves once it can be read",
	SourceReplaced:  "bring the first folder back, or restart lockstep to accept the one that is there now",
	SourceEmpty:     "if the source is meant to be empty, restart with --allow-empty-source",
	SourceStrange:   "unlock the source, or restart lockstep to accept the new names",
	MountGone:       "mount it again, or restart lockstep to accept that it is gone",
	TooManyRemovals: "if they are meant, restart with a higher --max-delete",
}

// rootReasons are those that lie in the source root itself.
var rootReasons = []HoldReason{SourceMissing, SourceUnread, SourceReplaced}

// hold notes n removals held for a reason. The caller holds mu.
func (g *guard) hold(reason HoldReason, path tree.Path, n int) change {
	h, known := g.held[reason]
	if known {
		h.Count += n
		return change{}
	}
	h = &Hold{Reason: reason, Path: path, Count: n, Remedy: remedies[reason]}
	g.held[reason] = h
	return change{held: []Hold{*h}}
}

// release ends a reason. The caller holds mu.
func (g *guard) release(reason HoldReason) change {
	h, known := g.held[reason]
	if !known {
		return change{}
	}
	delete(g.held, reason)
	return change{released: []Hold{*h}}
}

func (c *change) add(d change) {
	c.held = append(c.held, d.held...)
	c.released = append(c.released, d.released...)
}

// rootIs takes what a check of the source root said.
func (g *guard) rootIs(err error) change {
	g.mu.Lock()
	defer g.mu.Unlock()
	var c change
	switch {
	case err == nil:
		for _, reason := range rootReasons {
			c.add(g.release(reason))
		}
	case errors.Is(err, tree.ErrSourceReplaced):
		c.add(g.release(SourceMissing))
		c.add(g.hold(SourceReplaced, tree.Root, 0))
	case errors.Is(err, tree.ErrSourceMissing):
		c.add(g.release(SourceReplaced))
		c.add(g.hold(SourceMissing, tree.Root, 0))
	default:
		c.add(g.hold(SourceUnread, tree.Root, 0))
	}
	return c
}

// holdsRoot reports whether the source root is not the one from the start.
func (g *guard) holdsRoot() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(rootReasons, func(r HoldReason) bool { return g.held[r] != nil })
}

// told takes paths that a watch told of. What then happens to names in the root,
// until somebody looks there again, counts as seen.
func (g *guard) told(paths []string) change {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, path := range paths {
		if _, known := g.top[path]; known {
			g.top[path] = true
		}
	}
	return g.releaseSeen()
}

// mayHaveTold takes that events were lost, of whatever it was.
func (g *guard) mayHaveTold() change {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name := range g.top {
		g.top[name] = true
	}
	return g.releaseSeen()
}

// releaseSeen ends what was held for a root that does not look emptied or strange
// any more, or for a change of it that was seen, as it turns out. The caller
// holds mu.
func (g *guard) releaseSeen() change {
	var c change
	if !g.emptied() {
		g.emptyNow = false
		c.add(g.release(SourceEmpty))
	}
	if !g.strange() {
		g.strangeNow = false
		c.add(g.release(SourceStrange))
	}
	return c
}

// looked takes that somebody looked at path after a watch told of it, or for
// another reason, and whether it was there.
func (g *guard) looked(path tree.Path, there, told bool) {
	if path == tree.Root || path.Parent() != tree.Root {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	name := string(path)
	_, known := g.top[name]
	switch {
	case there && (known || g.top != nil && len(g.top) < mostTop):
		g.top[name] = false
	case known && told:
		g.top[name] = true
	}
}

// untold returns how many names of the root may have gone without being seen.
// The caller holds mu.
func (g *guard) untold() (n int) {
	for _, told := range g.top {
		if !told {
			n++
		}
	}
	return n
}

// listed takes a complete listing of a source folder.
func (g *guard) listed(folder tree.Path, entries []tree.Entry) change {
	g.mu.Lock()
	defer g.mu.Unlock()
	var c change
	for _, e := range entries {
		if e.Mounted {
			c.add(g.noteMount(folder.Join(e.Name), true))
		}
	}
	if folder != tree.Root {
		return c
	}
	g.emptyNow = len(entries) == 0
	g.strangeNow = !g.emptyNow && !slices.ContainsFunc(entries, func(e tree.Entry) bool {
		_, known := g.top[e.Name]
		return known
	})
	c.add(g.releaseSeen())
	if g.emptied() || g.strange() {
		return c
	}
	g.top = make(map[string]bool)
	for _, e := range entries[:min(len(entries), mostTop)] {
		g.top[e.Name] = false
	}
	return c
}

// Of the names in the root, leastTop make it telling that all are gone at
// once, and mostTop are remembered.
const (
	leastTop = 3
	mostTop  = 1000
)

// emptied reports whether the root has nothing in it any more, or never had,
// and not all of that was seen. The caller holds mu.
func (g *guard) emptied() bool {
	return g.emptyNow && !g.allowEmpty && (g.top == nil || g.untold() > 0)
}

// strange reports whether nothing is left of the names that the root had, and
// several went unseen: so an encrypted folder looks when it is locked. The
// caller holds mu.
func (g *guard) strange() bool { return g.strangeNow && g.untold() >= leastTop }

// mountsNear returns the mounts of the source that were seen at, above or
// below path.
func (g *guard) mountsNear(path tree.Path) []tree.Path {
	g.mu.Lock()
	defer g.mu.Unlock()
	var near []tree.Path
	for p := range g.mounts {
		if p == path || p.Holds(path) || path.Holds(p) {
			near = append(near, p)
		}
	}
	return near
}

// mountIs notes whether a file system is still mounted at path.
func (g *guard) mountIs(path tree.Path, mounted bool) change {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.noteMount(path, mounted)
}

// noteMount is mountIs. The caller holds mu.
func (g *guard) noteMount(path tree.Path, mounted bool) change {
	if there, known := g.mounts[path]; known && there && mounted {
		return change{}
	}
	g.mounts[path] = mounted
	for _, there := range g.mounts {
		if !there {
			return change{}
		}
	}
	return g.release(MountGone)
}

// limited reports whether the size of what is removed matters.
func (g *guard) limited() bool { return g.limit.set }

// removal is what is about to be removed from the replica.
type removal struct {
	path  tree.Path
	cause Cause
	// entries at and below path; counted only when there is a limit.
	entries int
	// mountGone: a mount at, above or below path has disappeared.
	mountGone bool
	// counted: the pass has already held its removals against the limit.
	counted bool
}

// reason returns why r is held whatever its size, and where that lies; "" when it
// is not. The caller holds mu.
func (g *guard) reason(r removal) (HoldReason, tree.Path) {
	for _, reason := range rootReasons {
		if g.held[reason] != nil {
			return reason, r.path
		}
	}
	switch {
	case r.mountGone:
		return MountGone, r.path
	case r.cause == ByWatch:
	case g.emptied():
		return SourceEmpty, tree.Root
	case g.strange():
		return SourceStrange, tree.Root
	}
	return "", tree.Root
}

// allowRename decides on what takes r.path its name and removes nothing. When
// it may not, the removal that follows is held, and counted then.
func (g *guard) allowRename(r removal) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	reason, _ := g.reason(r)
	return reason == ""
}

// allow decides on r, and counts it when it may go.
func (g *guard) allow(r removal) (bool, change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if reason, at := g.reason(r); reason != "" {
		return false, g.hold(reason, at, 1)
	}
	if !g.limit.set || r.counted {
		return true, change{}
	}
	now := time.Now()
	if now.Sub(g.lastAsked) > burstGap {
		g.burst = 0
	}
	g.lastAsked = now // what is held goes on with the burst too, or a long one gets the limit again and again
	if g.burst+int64(r.entries) > g.limit.of(g.entries) {
		g.passHeld = g.passHeld || r.cause == ByPass
		return false, g.hold(TooManyRemovals, r.path, r.entries)
	}
	g.burst += int64(r.entries)
	return true, change{}
}

// allowPass decides on all the removals of a pass together.
func (g *guard) allowPass(removals, entries int64) (bool, change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.entries = entries
	switch {
	case !g.limit.set:
		return true, change{}
	case removals <= g.limit.of(entries):
		if g.passHeld {
			return true, change{}
		}
		g.burst = 0 // nothing of it is held any more
		return true, g.release(TooManyRemovals)
	}
	return false, g.hold(TooManyRemovals, tree.Root, int(removals))
}

// passBegins forgets the counts of what is held, to be found anew.
func (g *guard) passBegins() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.held {
		h.Count = 0
	}
	g.passHeld = false
}

// holds returns the reasons that hold now.
func (g *guard) holds() []Hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Hold
	for _, reason := range slices.Concat(rootReasons, []HoldReason{SourceEmpty, SourceStrange, MountGone, TooManyRemovals}) {
		if h := g.held[reason]; h != nil {
			all = append(all, *h)
		}
	}
	return all
}
