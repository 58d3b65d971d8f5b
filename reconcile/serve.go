package reconcile

import (
	"context"
	"time"

	"lockstep/reconcile/tree"
)

// Sizes of what a worker does at once.
const (
	// maxBatch paths are looked at together.
	maxBatch = 1024
	// maxStaged bytes of content are staged before they are published, so
	// that a batch of larger files does not keep each of them waiting.
	maxStaged = 64 << 20
	// bigFile is the size from which a file is worked on alone, and never by
	// all workers at once.
	bigFile = 16 << 20
	// illPause is how long a worker rests that found the replica ill: there may
	// be very many paths that come by again and again until it is well.
	illPause = sourcePoll / 4
)

// result is what became of a dirty path.
type result uint8

const (
	// settled: both sides are equal now.
	settled result = iota
	// absent: neither side has the path (any more).
	absent
	// held: the guard keeps it in the replica.
	held
	// failed: see the problems. The path is tried again.
	failed
)

// verdict is what those who asked for a path are told.
type verdict struct {
	result result
	did    tree.ActionKind
	// removed entries, when did is Remove.
	removed int
	// leaf is the entry's digest; zero for folders, and where its content was
	// not read.
	leaf tree.Digest
}

// work serves batches until ctx ends.
func (m *Mirror) work(ctx context.Context) {
	for {
		items := m.queue.take(ctx, maxBatch)
		if items == nil {
			return
		}
		m.serve(ctx, items)
	}
}

// batch is a number of paths that are worked on together by one worker.
type batch struct {
	m       *Mirror
	folders folders
	looks   []*look
	actions []tree.Action
	owners  []*look // of actions; nil for those that follow from others
	staged  int64
	// parents are the folders whose times are to follow, each with the pass
	// that waits for it, or nil.
	parents map[tree.Path]*pass
	ended   []ended
	gone    []*look // met gone, and not yet given back
	placing placing
	near    nearby
	// apart: the source is known not to lie in the replica.
	apart bool
	// rootListed: the guard knows what is in the source root.
	rootListed bool
}

// ended is a path that is done with, but for the times of the folder above.
type ended struct {
	it *item
	v  verdict
	// after is when to look again; 0 for never.
	after time.Duration
	// unsettled: v says nothing yet, and it is looked at again at once.
	unsettled bool
}

// settles reports whether nobody looks at it again.
func (e ended) settles() bool { return e.after == 0 && !e.unsettled }

// serve makes each of items equal, or gives it back to be tried later.
func (m *Mirror) serve(ctx context.Context, items []*item) {
	if m.checkReplica() != nil {
		for _, it := range items {
			m.postpone(it, sourcePoll)
		}
		select {
		case <-ctx.Done():
		case <-time.After(illPause):
		}
		return
	}
	b := &batch{m: m, folders: folders{source: m.source}, parents: make(map[tree.Path]*pass)}
	defer b.folders.close()
	looks := make([]look, len(items))
	b.looks = make([]*look, len(items))
	for i, it := range items {
		looks[i].item = it
		b.looks[i] = &looks[i]
	}
	b.actions = make([]tree.Action, 0, len(items))
	b.owners = make([]*look, 0, len(items))
	b.lookAtSource()
	b.checkNames()
	b.lookAtReplica(ctx)
	b.spell(ctx)
	b.lookBeside()

	// What is gone is sorted out first: a new name may be its other one.
	var doomed, present []*look
	for _, l := range b.looks {
		switch {
		case l.err != nil:
			b.fail(ctx, l, l.err)
		case l.alone:
			m.problems.solved(l.path)
			m.suggestFor(l.pass, l.path.Parent(), dirt{cause: l.cause})
			b.settle(l, verdict{result: absent})
		case l.want.Kind != tree.Absent:
			present = append(present, l)
		case b.meetsGone(l):
			doomed = append(doomed, l)
		}
	}
	for _, l := range present {
		if ctx.Err() != nil {
			b.settle(l, verdict{result: failed})
			continue
		}
		b.plan(ctx, l)
	}
	b.beginPatience()
	b.apply(ctx)
	b.removeAll(ctx, doomed)
	b.finish(ctx)
}

// settle has l settled when the times of the folder above it are right again.
func (b *batch) settle(l *look, v verdict) {
	b.touch(l)
	b.ended = append(b.ended, ended{it: l.item, v: v, after: l.unsearched})
}

// lookAnew has l looked at again when the times of all folders are right that it
// changed something in.
func (b *batch) lookAnew(l *look) {
	b.touch(l)
	b.ended = append(b.ended, ended{it: l.item, unsettled: true})
}

// touch notes that something may have changed in the folder above l, on either
// side. What is given back untouched needs no note: it has another turn.
func (b *batch) touch(l *look) {
	if l.path != tree.Root {
		b.touchFolder(l.path.Parent(), l.pass)
	}
}

// touchFolder notes that something may have changed in folder. A pass that waits
// for one of those who say so waits for its times, whoever else says so.
func (b *batch) touchFolder(folder tree.Path, p *pass) {
	if b.parents[folder] == nil {
		b.parents[folder] = p
	}
}

// finish settles what is done with. Until then its folder cannot run, so
// nothing else is done to that meanwhile.
func (b *batch) finish(ctx context.Context) {
	b.follow(ctx)
	b.m.queue.settleAll(b.ended)
	for _, e := range b.ended {
		if e.settles() {
			continue
		}
		if !e.unsettled {
			b.m.tell(e.it, e.v)
			e.it.dirt = dirt{cause: e.it.cause}
			*e.it.history = history{}
		}
		b.m.queue.delay(e.it, e.after)
	}
	b.ended = b.ended[:0]
}

// plan decides what is to be done about a path that the source has.
func (b *batch) plan(ctx context.Context, l *look) {
	m := b.m
	b.unmark(l)
	if l.misspelled != "" {
		b.respell(ctx, l)
		return
	}
	if m.keepsNames(l.src) && b.planLink(ctx, l) {
		return
	}
	differed := m.traits.Differ(l.want, l.have)
	action := tree.Action{Path: l.path, Want: l.src, Over: l.have.Kind}
	switch {
	case l.want.Kind == tree.File:
		if action.Kind = tree.Update; l.have.Kind != tree.File {
			action.Kind = tree.Copy
		}
		if action.Kind == tree.Copy && b.renameInstead(ctx, l) {
			return
		}
		if l.src.Size >= bigFile && !l.big {
			m.queue.enlarge(l.item)
			return
		}
		action.Open = b.folders.opener(l.path)
		action.Hash = len(l.done) > 0
		action.Fresh = l.fresh
		action.Unsettled = !l.since.IsZero() && time.Since(l.since) > maxUnsettled
	case l.want.Kind != tree.Folder && differed&(tree.OfExistence|tree.OfKind|tree.OfContent) == 0 && parted(l):
		action.Kind, action.Fresh = tree.Create, true
	case differed&(tree.OfExistence|tree.OfKind|tree.OfContent) != 0:
		if action.Kind = tree.Create; b.renameInstead(ctx, l) {
			return
		}
	case differed != 0:
		action.Kind = tree.Metadata
	default:
		b.descend(ctx, l)
		b.gather(ctx, l, false)
		b.solve(l, nil)
		b.settle(l, verdict{result: settled, leaf: m.leaf(l.src, tree.Digest{})})
		return
	}
	if l.have.Kind == tree.Folder && l.want.Kind != tree.Folder && !b.mayRemove(ctx, l) {
		return
	}
	b.add(action, l)
}

// add stages an action, and carries out what was staged once it is enough.
func (b *batch) add(a tree.Action, l *look) {
	b.actions = append(b.actions, a)
	b.owners = append(b.owners, l)
	if a.Open != nil {
		b.staged += a.Want.Size
	}
}

// apply carries out what was staged, and settles its owners.
func (b *batch) apply(ctx context.Context) {
	for len(b.actions) > 0 {
		n, staged := 0, int64(0)
		for n < len(b.actions) && (n == 0 || staged+b.actions[n].Want.Size <= maxStaged) {
			staged += b.actions[n].Want.Size
			n++
		}
		b.carryOut(ctx, b.actions[:n], b.owners[:n])
		if b.actions, b.owners = b.actions[n:], b.owners[n:]; len(b.actions) > 0 {
			b.finish(ctx)
		}
	}
}

func (b *batch) carryOut(ctx context.Context, actions []tree.Action, owners []*look) {
	began := time.Now()
	outcomes := b.m.replica.Apply(ctx, actions)
	elapsed := time.Since(began) / time.Duration(len(actions))
	told := make([]Acted, 0, len(outcomes))
	for i, o := range outcomes {
		if o.Done() {
			told = appendActed(told, actions[i], o, owners[i].cause, elapsed)
		}
	}
	if len(told) > 0 {
		b.m.o.Observer.Acted(told)
	}
	for i, o := range outcomes {
		if actions[i].Kind == tree.Link && b.copyInstead(owners[i], actions[i].From, o.Err) {
			continue
		}
		if !o.Done() {
			b.fail(ctx, owners[i], o.Err)
			if over := actions[i].Over; over != tree.Absent && over != actions[i].Want.Kind {
				// What was replaced may lie aside, not all of it removed: whoever looks into the folder finds it.
				b.m.queue.suggest(actions[i].Path.Parent(), dirt{cause: ByWatch})
			}
			continue
		}
		b.descend(ctx, owners[i])
		b.succeed(ctx, owners[i], actions[i], o)
	}
}

// succeed settles a path that is equal now.
func (b *batch) succeed(ctx context.Context, l *look, a tree.Action, o tree.Outcome) {
	m := b.m
	b.solve(l, o.Err)
	if a.Over == tree.Folder && l.want.Kind != tree.Folder {
		m.problems.solvedBelow(l.path)
	}
	if o.Did == tree.Create && l.src.Kind == tree.Folder && l.cause != ByPass {
		b.dirtyBelow(l)
	}
	if l.pass != nil {
		l.pass.copied.Add(o.Bytes)
	}
	if !m.keepsNames(l.src) || m.links.refusal(l.path) != nil {
		b.spread(l, o.Did)
	} else if a.Kind == tree.Link {
		if m.links.sure(a.From) {
			m.links.vouch(l.path, l.src.ID)
		}
	} else {
		b.gather(ctx, l, o.Did == tree.Copy || o.Did == tree.Update || o.Did == tree.Create)
	}
	entry := l.src
	if o.Entry.Kind != tree.Absent {
		entry = o.Entry
	}
	if o.Did == tree.Copy && len(entry.Xattrs) > 0 {
		b.noteLostOf(l, entry)
	}
	v := verdict{result: settled, did: o.Did, removed: o.Removed}
	if o.Err != nil {
		v.result = failed
	}
	if entry.Kind != tree.File || !o.Digest.IsZero() {
		v.leaf = m.leaf(entry, o.Digest)
	}
	b.settle(l, v)
}

// noteLostOf tells what the replica cannot hold of a file of which only the copy
// has read all attributes.
func (b *batch) noteLostOf(l *look, copied tree.Entry) {
	_, lost := b.m.traits.Project(copied)
	lost &= tree.OfXattrs | tree.OfACL
	b.m.noteLost(lost, l.path)
	if l.pass != nil {
		l.pass.addLost(lost)
	}
}

// acted tells of what was really done.
func (m *Mirror) acted(a tree.Action, o tree.Outcome, cause Cause, elapsed time.Duration) {
	if told := appendActed(nil, a, o, cause, elapsed); told != nil {
		m.o.Observer.Acted(told)
	}
}

// appendActed appends what was really done, if anything was.
func appendActed(told []Acted, a tree.Action, o tree.Outcome, cause Cause, elapsed time.Duration) []Acted {
	if o.Did == tree.None {
		return told
	}
	kind := a.Want.Kind
	if o.Did == tree.Remove {
		kind = a.Over
	}
	return append(told, Acted{
		Action: o.Did, Path: a.Path, From: a.From, Kind: kind, Differed: o.Differed,
		Bytes: o.Bytes, Removed: o.Removed, Elapsed: elapsed, Cause: cause, Follows: a.Follows,
	})
}

// leaf returns the digest of a source's entry as the replica holds it.
func (m *Mirror) leaf(src tree.Entry, content tree.Digest) tree.Digest {
	want, _ := m.traits.Project(src)
	return m.traits.LeafDigest(want, content)
}

// dirtyBelow makes what stands in a new folder dirty: whatever made the
// replica lack the folder, it lacks what is in it.
func (b *batch) dirtyBelow(l *look) {
	for _, e := range list(b.m.source, l.path) {
		b.m.queue.add(l.path.Join(e.Name), dirt{cause: l.cause})
	}
}
