package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/reconcile/tree"
)

// Bounds of a pass.
const (
	// maxOutstanding is how many differences may wait for the workers before
	// comparing waits for them: the memory of a first copy. What belongs into
	// a new folder waits for that, and still there should be enough for large
	// batches.
	maxOutstanding = 8 * maxBatch
	// maxRemovals is how many removals a pass keeps back until everything
	// was compared, so that renames can be told from them.
	maxRemovals = 1 << 16
)

// pass is one comparison of both trees, whole, and the work that follows
// from it.
type pass struct {
	m     *Mirror
	began time.Time
	// visit, if not nil, is given what differs, and nothing is done about it.
	visit func(tree.Path, tree.Drift)
	root  *node
	// outstanding has a token for each difference that the walk handed over
	// and that is not yet worked off.
	outstanding chan struct{}
	release     func() // takes one back

	// What Status shows while it goes on.
	files, bytes, copied   atomic.Int64
	totalFiles, totalBytes atomic.Int64

	// Guarded by mu.
	mu       sync.Mutex
	report   Report
	flawed   bool // something could not be compared, repaired or removed
	retry    bool // what could not be compared is worth another pass soon
	removals []extra
	respells []misspelled
	moved    map[tree.Path]bool // folders that were renamed
	linked   []linkedPath
	left     []tree.Path // of files that lost a name meanwhile, see links.see
	groups   linkGroups
	pending  []visitFolder // folders still to compare, the last one next
	active   int           // folders being compared
	open     int           // differences not yet worked off
	err      error         // what ends the walk
	changed  *sync.Cond    // pending, active, open or err did
}

// extra is an entry of the replica that the source does not have.
type extra struct {
	path tree.Path
	mark signature
}

// misspelled is a difference in the spelling of a name, and what is given the
// digest of the path.
type misspelled struct {
	path  tree.Path
	drift tree.Drift
	leaf  func(tree.Digest)
}

type visitFolder struct {
	path tree.Path
	node *node
}

func newPass(m *Mirror, cause PassCause) *pass {
	p := &pass{
		m:           m,
		began:       time.Now(),
		root:        newNode(nil, 0),
		outstanding: make(chan struct{}, maxOutstanding),
		groups:      make(linkGroups),
		report:      Report{Cause: cause},
	}
	p.release = func() { <-p.outstanding }
	p.changed = sync.NewCond(&p.mu)
	p.pending = []visitFolder{{tree.Root, p.root}}
	return p
}

// pass compares both trees and returns when what differed is worked off. A
// problem at a path is no error.
func (m *Mirror) pass(ctx context.Context, cause PassCause) (Report, error) {
	p := newPass(m, cause)
	m.mu.Lock()
	p.totalFiles.Store(m.last.Files)
	m.current = p
	m.mu.Unlock()
	m.o.Observer.PassStarted(cause)
	err := p.run(ctx)
	p.takeRemovals() // there are some when it failed
	report := p.done(err)
	if err != nil {
		report.Problems++ // the roots are what could not be compared
	}
	m.mu.Lock()
	m.current = nil
	if err == nil {
		m.last = report
	}
	if report.Equal {
		m.lastProof = time.Now()
	}
	m.mu.Unlock()
	if err == nil {
		m.problems.solveOlder()
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("pass: %w", err)
		if m.checkReplica() == nil && !errors.Is(err, tree.ErrUnreachable) { // else that is told
			m.problems.note(tree.Root, err, 0)
		}
	}
	if ctx.Err() == nil {
		m.o.Observer.PassDone(report)
	}
	return report, err
}

// Compare makes a pass that only tells what differs: visit is called for each
// difference, from one goroutine at a time. The Observer hears what the guard
// would hold.
func (m *Mirror) Compare(ctx context.Context, visit func(tree.Path, tree.Drift)) (Report, error) {
	p := newPass(m, AtStart)
	p.visit = visit
	m.mu.Lock()
	m.current = p
	m.mu.Unlock()
	err := p.run(ctx)
	return p.done(err), err
}

// done completes the report.
func (p *pass) done(err error) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.report
	r.BytesRead = p.bytes.Load()
	r.Elapsed = time.Since(p.began)
	r.retry = err != nil || p.retry
	r.Equal = err == nil && !p.flawed && (p.visit == nil || r.Drift == 0)
	if r.Equal {
		r.Digest = tree.LinksDigest(p.root.sum(), p.groups.several())
	}
	return *r
}

func (p *pass) run(ctx context.Context) error {
	m := p.m
	m.guard.passBegins()
	m.links.nextAge()
	m.problems.nextAge()
	if err := m.checkSource(); err != nil && !errors.Is(err, tree.ErrSourceReplaced) {
		return err
	}
	if err := m.checkReplica(); err != nil {
		return err
	}
	if err := m.checkApart(); err != nil {
		return err
	}
	if p.visit == nil {
		// Workers may carry out by and by what they saw before; after that
		// they look again.
		for _, path := range m.queue.runningPaths() {
			p.follow(path, dirt{cause: ByPass}, nil, nil)
		}
	}
	if m.o.CountAhead {
		counting, stop := context.WithCancel(ctx)
		var counter sync.WaitGroup
		counter.Go(func() { p.countAhead(counting) })
		defer counter.Wait()
		defer stop()
	}
	if err := p.compareRoot(ctx); err != nil {
		return err
	}
	if err := p.walk(ctx); err != nil {
		return err
	}
	// What is missing comes first: it may be what is additional, under its
	// new name.
	if err := p.wait(ctx); err != nil {
		return err
	}
	if err := p.settleNames(ctx); err != nil {
		return err
	}
	if err := p.settleRemovals(ctx); err != nil {
		return err
	}
	if err := p.wait(ctx); err != nil {
		return err
	}
	if err := p.settleLinks(ctx); err != nil {
		return err
	}
	p.left = append(p.left, m.links.forgetOlder()...)
	if p.visit != nil {
		return nil
	}
	if err := p.settleLeft(ctx); err != nil {
		return err
	}
	return m.replica.Flush(ctx)
}

// compareRoot compares what the roots are themselves.
func (p *pass) compareRoot(ctx context.Context) error {
	m := p.m
	if m.guard.holdsRoot() {
		return nil // another folder's time and mode are none of the replica's
	}
	self, err := lookAfresh(m.source, tree.Root)
	if err != nil {
		return err
	}
	found := m.replica.Look(ctx, []tree.Path{tree.Root})[0]
	if found.Err != nil {
		return found.Err
	}
	want, lost := m.traits.Project(self)
	p.countLost(tree.Root, lost)
	if d := m.traits.Differ(want, found.Entry); d != 0 {
		p.drift(ctx, tree.Root, &tree.Drift{Differs: d, Want: want, Have: found.Entry}, nil)
	}
	return nil
}

// walk compares all folders.
func (p *pass) walk(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.abort(ctx.Err()) })
	defer stop()
	var walkers sync.WaitGroup
	for range p.m.o.Comparers {
		walkers.Go(func() {
			for {
				v, ok := p.next()
				if !ok {
					return
				}
				below, err := p.compareFolder(ctx, v)
				if err != nil {
					p.abort(err)
				}
				p.compared(below)
			}
		})
	}
	walkers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// next returns a folder to compare; false when there will be none.
func (p *pass) next() (visitFolder, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) == 0 && p.active > 0 && p.err == nil {
		p.changed.Wait()
	}
	if len(p.pending) == 0 || p.err != nil {
		return visitFolder{}, false
	}
	last := len(p.pending) - 1
	v := p.pending[last]
	p.pending[last] = visitFolder{} // else the node stays as long as the pass
	p.pending = p.pending[:last]
	p.active++
	return v, true
}

func (p *pass) compared(below []visitFolder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, below...)
	p.active--
	p.changed.Broadcast()
}

func (p *pass) abort(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.changed.Broadcast()
}

// compareFolder compares one folder, one level deep, and returns the folders
// in it. An error ends the pass.
func (p *pass) compareFolder(ctx context.Context, v visitFolder) ([]visitFolder, error) {
	defer v.node.close()
	f, err := p.m.source.Folder(v.path)
	if err != nil {
		return nil, p.unread(ctx, v.path, err)
	}
	defer f.Close()
	self, err := f.Self()
	if err != nil {
		return nil, p.unread(ctx, v.path, err)
	}
	if id := p.m.replica.ID(); id != (tree.ID{}) && self.ID == id {
		return nil, fmt.Errorf("%w: the replica is at %q of the source", ErrOverlap, string(v.path))
	}
	room := entryRooms.Get().(*entryRoom)
	defer room.giveBack()
	entries, err := p.list(f, room)
	if err != nil {
		return nil, p.unread(ctx, v.path, err)
	}
	p.m.tellHolds(p.m.guard.listed(v.path, entries))
	c, err := p.m.replica.Compare(ctx, tree.Subject{
		Path: v.path, Folder: f, Entries: entries, Method: p.m.o.Method,
		Read: func(n int64) { p.bytes.Add(n) },
	})
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, tree.ErrUnreachable) || errors.Is(err, tree.ErrReplicaReplaced) {
			return nil, err
		}
		p.problem(v.path, err)
		return nil, nil
	}
	return p.take(ctx, v, listed{self, entries}, c)
}

// unread deals with a folder of the source that could not be read. What the
// replica has there is kept, unless the folder is gone: then the pass ends when
// it is looked at again.
func (p *pass) unread(ctx context.Context, path tree.Path, err error) error {
	switch {
	case errors.Is(err, tree.ErrSourceMissing):
		return err
	case !errors.Is(err, fs.ErrNotExist):
		p.problem(path, err)
		return nil
	case p.visit == nil:
		p.follow(path, dirt{cause: ByPass}, nil, nil)
		return nil
	}
	found := p.m.replica.Look(ctx, []tree.Path{path})[0]
	switch {
	case found.Err != nil:
		p.problem(path, found.Err)
	case found.Entry.Kind != tree.Absent:
		return p.drift(ctx, path, &tree.Drift{Differs: tree.OfExistence, Want: tree.Entry{Name: path.Name()}, Have: found.Entry}, nil)
	}
	return nil
}

// uncompared notes that something could not be compared. Rights and names do
// not change by themselves, and when they do there is an event. The caller holds mu.
func (p *pass) uncompared(err error) {
	p.flawed = true
	p.retry = p.retry || !errors.Is(err, fs.ErrPermission) && !tree.IsUnplaced(err)
}

// problem is about what is inside the folder at path.
func (p *pass) problem(path tree.Path, err error) {
	p.mu.Lock()
	p.report.Problems++
	p.uncompared(err)
	p.mu.Unlock()
	p.m.problems.noteInside(path, err)
}
