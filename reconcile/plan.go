package reconcile

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"time"

	"lockstep/reconcile/tree"
)

// keepsNames reports whether e has several names, and the replica can hold
// them as one.
func (m *Mirror) keepsNames(e tree.Entry) bool {
	return e.Several() && m.traits.HoldsLinks(e.Kind)
}

// planLink plans for an entry that has more names in the source. The first of
// them in order of bytes leads: it is made equal like any file, and the others
// become links to it. It reports whether l is dealt with; else it leads.
func (b *batch) planLink(ctx context.Context, l *look) bool {
	m := b.m
	if l.cause != ByPass {
		l.unsearched = m.completeLinks(ctx, l.path, l.src, &b.near)
	}
	leader, ok := b.leader(ctx, l)
	if !ok {
		return false
	}
	if leader == l.path {
		m.links.allow(l.path)
	}
	if leader == l.path || m.links.refusal(l.path) != nil {
		b.part(ctx, l)
		return false
	}
	found := m.replica.Look(ctx, []tree.Path{leader})[0]
	linked := l.have.Kind == l.want.Kind && l.have.ID == found.Entry.ID
	// As a link to an older version of the leader, l would show what it never was.
	const version = tree.OfExistence | tree.OfKind | tree.OfContent | tree.OfModTime
	switch {
	case found.Err != nil || !linked && m.traits.Differ(l.want, found.Entry)&version != 0:
		if l.attempt >= lateAttempts { // a copy now is better than a link some day
			b.part(ctx, l)
			return false
		}
		m.queue.suggest(leader, dirt{cause: l.cause})
		b.fail(ctx, l, errLate)
	case linked:
		if l.cause != ByPass {
			m.queue.add(leader, dirt{cause: l.cause})
		}
		if m.links.sure(leader) {
			m.links.vouch(l.path, l.src.ID)
		}
		m.problems.solved(l.path)
		b.settle(l, verdict{result: settled, leaf: b.leafByReading(l)})
	case l.have.Kind == tree.Folder && !b.mayRemove(ctx, l):
	default:
		m.queue.suggest(leader, dirt{cause: l.cause})
		b.add(tree.Action{Kind: tree.Link, Path: l.path, From: leader, Want: l.src, Over: l.have.Kind}, l)
	}
	return true
}

// part gives l, which leads or is to be a file of its own, a new inode if what
// the replica has there may have names of another file as well: it was a name of
// that before, or came along with a folder that was taken for another one. A pass
// compares all names at its end. What is to be removed counts as another file's,
// so that it asks only where nobody has vouched.
func (b *batch) part(ctx context.Context, l *look) {
	m := b.m
	if l.cause == ByPass || l.unsearched > 0 || m.links.sure(l.path) {
		return
	}
	var own []tree.Path
	if l.have.Kind == l.want.Kind && l.have.Links > 1 {
		var count uint32
		own, count = b.namesThere(ctx, l, m.links.names(l.src.ID))
		all := len(own) >= max(1, int(count)) // none if they cannot be looked at
		if all {                              // unless one left, and another came, while they were looked at
			still, _ := b.namesThere(ctx, l, own)
			all = len(still) == len(own)
		}
		if !all {
			l.fresh = true
			return
		}
	}
	m.links.vouch(l.path, l.src.ID)
	for _, name := range own {
		m.links.vouch(name, l.src.ID)
	}
}

// namesThere returns those of names that the replica has of the same file as
// l's, and how many that has at least, one look after the other.
func (b *batch) namesThere(ctx context.Context, l *look, names []tree.Path) (there []tree.Path, count uint32) {
	for i, found := range b.m.replica.Look(ctx, names) {
		if found.Err == nil && found.Entry.ID == l.have.ID {
			there = append(there, names[i])
			count = max(count, found.Entry.Links)
		}
	}
	return there, count
}

// parted reports whether what the replica has under l's name is to have that
// name alone.
func parted(l *look) bool {
	return l.fresh || l.have.Links > 1 && !l.src.Several()
}

// leader returns the first name of l's file that is one still.
func (b *batch) leader(ctx context.Context, l *look) (tree.Path, bool) {
	if first, ok := b.m.links.first(l.src.ID); ok && b.leads(ctx, l, first) {
		return first, true
	}
	for _, name := range b.m.links.names(l.src.ID) {
		if b.leads(ctx, l, name) {
			return name, true
		}
	}
	return "", false
}

// leads reports whether name is one of l's file still, and has a place in the
// replica.
func (b *batch) leads(ctx context.Context, l *look, name tree.Path) bool {
	if name == l.path {
		return true
	}
	e, err := lookAfresh(b.m.source, name)
	if err == nil && e.ID == l.src.ID && e.Kind == l.src.Kind {
		return !b.m.traits.Names.Folds || b.above(ctx, name) == nil // else another file has that name there
	}
	if left, ok := b.m.links.see(name, tree.Entry{}); ok {
		b.m.dirtyFor(l.pass, left, dirt{cause: l.cause})
	}
	return false
}

// lookBeside makes files dirty that had names in folders which went. They may
// have been written there, and nobody tells of a folder that is out of sight.
func (b *batch) lookBeside() {
	for _, l := range b.looks {
		if l.err == nil && l.have.Kind == tree.Folder && l.src.Kind != tree.Folder && l.cause != ByPass {
			for _, left := range b.m.links.leave(l.path) {
				b.m.queue.add(left, dirt{cause: l.cause})
			}
		}
	}
}

// gather makes those other names of l's file dirty that the replica does not
// have as names of the file at l.path; with a new inode there, all of them.
// Without one, a name that could not be linked keeps its pause: it is what led
// here, maybe.
func (b *batch) gather(ctx context.Context, l *look, newInode bool) {
	m := b.m
	if !m.keepsNames(l.src) || m.links.refusal(l.path) != nil {
		return
	}
	names := m.links.names(l.src.ID)
	if !newInode && (l.cause == ByPass || len(names) < 2) {
		return // a pass compares all names at its end
	}
	var found []tree.Found
	var self tree.ID
	if !newInode {
		found = m.replica.Look(ctx, append(names, l.path))
		self = found[len(names)].Entry.ID
	}
	for i, name := range names {
		switch {
		case name == l.path:
		case newInode:
			m.dirtyFor(l.pass, name, dirt{cause: l.cause})
		case found[i].Err != nil || found[i].Entry.ID != self:
			m.suggestFor(l.pass, name, dirt{cause: l.cause})
		}
	}
}

// leafByReading returns the digest that a pass waits for, of a file of which
// nothing else had to be read; zero when nobody waits or it cannot be read.
func (b *batch) leafByReading(l *look) tree.Digest {
	if l.src.Kind != tree.File {
		return b.m.leaf(l.src, tree.Digest{})
	}
	if len(l.done) == 0 {
		return tree.Digest{}
	}
	return b.m.readLeaf(b.folders.opener(l.path))
}

// readLeaf reads the file that open opens for its digest; zero when it cannot
// be read.
func (m *Mirror) readLeaf(open func() (tree.Content, error)) tree.Digest {
	c, err := open()
	if err != nil {
		return tree.Digest{}
	}
	defer c.Close()
	digest, err := readDigest(c)
	if err != nil {
		return tree.Digest{}
	}
	return m.leaf(c.Entry(), digest)
}

// spread makes the other names of l's file dirty where the replica does not hold
// it as one with them: what was done to it may have been told of one name alone.
func (b *batch) spread(l *look, did tree.ActionKind) {
	if !l.src.Several() || l.cause == ByPass || did == tree.None || b.m.projected(l.src).Kind == tree.Absent {
		return
	}
	for _, name := range b.m.links.names(l.src.ID) {
		if name != l.path {
			b.m.queue.add(name, dirt{cause: l.cause})
		}
	}
}

// descend compares what is in a folder that both sides have, one level deep:
// of what is additional there, no event may tell. The folder may have come
// under its name by a rename here, when what came along may be out of date;
// then an event has all of its content compared too, which a pass does by
// itself. Or another folder took the name in the source.
func (b *batch) descend(ctx context.Context, l *look) {
	replaced := l.cause != ByPass && l.have.Kind == tree.Folder
	if l.want.Kind != tree.Folder || !l.deep && !replaced {
		return
	}
	m := b.m
	f, err := m.source.Folder(l.path)
	if err != nil {
		return // its own event, or the next pass, deals with it
	}
	defer f.Close()
	entries, err := f.List()
	if err != nil {
		return
	}
	c, err := m.replica.Compare(ctx, tree.Subject{Path: l.path, Folder: f, Entries: entries, Method: tree.ByMetadata, Alone: true})
	if err != nil {
		return
	}
	for _, e := range entries {
		if l.deep && (l.cause != ByPass || e.Kind == tree.Folder) {
			m.dirtyFor(l.pass, l.path.Join(e.Name), dirt{cause: l.cause, deep: e.Kind == tree.Folder})
		}
	}
	for _, d := range c.Drift { // one that failed is what led here, maybe
		cause := l.cause
		if d.Want.Kind == tree.Absent {
			cause = max(cause, ByPoll) // no watch told of it
		}
		m.suggestFor(l.pass, l.path.Join(d.Name()), dirt{cause: cause})
	}
}

// dirtyFor makes path dirty, and p, if not nil, wait for it.
func (m *Mirror) dirtyFor(p *pass, path tree.Path, d dirt) {
	if p == nil {
		m.queue.add(path, d)
		return
	}
	p.follow(path, d, nil, nil)
}

// suggestFor is dirtyFor, but leaves a path that waits for a retry its pause,
// unless a pass waits for it.
func (m *Mirror) suggestFor(p *pass, path tree.Path, d dirt) {
	if p == nil {
		m.queue.suggest(path, d)
		return
	}
	m.dirtyFor(p, path, d)
}

// removeAll removes one after the other.
func (b *batch) removeAll(ctx context.Context, doomed []*look) {
	b.placing = placing{} // the source's names are looked at again before
	for _, l := range doomed {
		b.remove(ctx, l)
	}
	b.lookAgain(doomed...) // and after
}

// remove takes from the replica what the source does not have, if a fresh
// look says so once more and the guard agrees.
func (b *batch) remove(ctx context.Context, l *look) {
	m := b.m
	if src, err := lookAfresh(m.source, l.path); err == nil || !isGone(err) {
		// Where l.want is absent, the source's entry may exist: a socket.
		if err != nil || m.projected(src).Kind != tree.Absent {
			m.queue.delay(l.item, 0)
			return
		}
	}
	if !b.sparesHeirs(l) {
		m.queue.delay(l.item, 0)
		return
	}
	if !b.mayRemove(ctx, l) {
		return
	}
	action := tree.Action{Kind: tree.Remove, Path: l.path, Over: l.have.Kind}
	began := time.Now()
	o := m.replica.Apply(ctx, []tree.Action{action})[0]
	if o.Removed > 0 {
		o.Did = tree.Remove
		m.acted(action, o, l.cause, time.Since(began))
	}
	if o.Err != nil {
		b.fail(ctx, l, o.Err)
		return
	}
	m.problems.solved(l.path)
	if l.have.Kind == tree.Folder {
		m.problems.solvedBelow(l.path)
	}
	b.settle(l, verdict{result: settled, did: o.Did, removed: o.Removed})
}

// mayRemove asks the guard whether what stands at l.path in the replica may
// go. When it may not, l is settled as held.
func (b *batch) mayRemove(ctx context.Context, l *look) bool {
	m := b.m
	if l.have.Kind == tree.Folder && !b.apart {
		if err := m.checkApart(); err != nil { // the source may be in there
			m.RequestPass(OnRetry)
			b.fail(ctx, l, err)
			return false
		}
		b.apart = true
	}
	m.checkSource()
	if l.cause == ByPoll {
		b.listRoot()
	}
	r := removal{path: l.path, cause: l.cause, entries: 1, counted: l.counted}
	if m.guard.limited() && l.have.Kind == tree.Folder {
		n, err := m.replica.Count(ctx, l.path, math.MaxInt)
		if err != nil {
			b.fail(ctx, l, err)
			return false
		}
		r.entries = n
	}
	r.mountGone = m.missesMount(l.path)
	ok, told := m.guard.allow(r)
	m.tellHolds(told)
	if !ok {
		b.settle(l, verdict{result: held})
	}
	return ok
}

// mayRename asks the guard whether what stands at a path that is gone may get
// another name.
func (b *batch) mayRename(from tree.Path, cause Cause) bool {
	b.m.checkSource()
	if cause == ByPoll {
		b.listRoot()
	}
	return b.m.guard.allowRename(removal{path: from, cause: cause, mountGone: b.m.missesMount(from)})
}

// listRoot lets the guard know what is in the source root now, once in a batch:
// what a poll found missing says nothing about when that changed last.
func (b *batch) listRoot() {
	if b.rootListed {
		return
	}
	b.rootListed = true
	f, err := b.m.source.Folder(tree.Root)
	if err != nil {
		return // the guard was told by the check
	}
	defer f.Close()
	if entries, err := f.List(); err == nil {
		told := b.m.guard.listed(tree.Root, entries)
		b.m.tellHolds(told)
		b.m.findReleased(told)
	}
}

// missesMount reports whether a file system that was mounted in the source
// at, above or below path has disappeared.
func (m *Mirror) missesMount(path tree.Path) bool {
	missing := false
	for _, p := range m.guard.mountsNear(path) {
		e, err := lookAfresh(m.source, p)
		mounted := err == nil && e.Mounted
		m.tellHolds(m.guard.mountIs(p, mounted))
		missing = missing || !mounted
	}
	return missing
}

func (m *Mirror) projected(src tree.Entry) tree.Entry {
	want, _ := m.traits.Project(src)
	return want
}

// lookAfresh looks at path through a folder that is opened for it.
func lookAfresh(source tree.Source, path tree.Path) (tree.Entry, error) {
	f := folders{source: source}
	defer f.close()
	return f.look(path)
}

// isGone reports whether err says that an entry is gone for certain.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errFolderGone)
}
