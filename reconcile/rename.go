package reconcile

import (
	"context"
	"time"

	"lockstep/reconcile/tree"
)

// maxResembled is how many names of two folders are looked at before one is
// taken for the other under its new name.
const maxResembled = 16

// renameInstead renames what was under another name in the replica, where
// l looks like it under its new one. It guesses: both names are looked at
// again. It reports whether l is dealt with.
func (b *batch) renameInstead(ctx context.Context, l *look) bool {
	m := b.m
	mark := signatureOf(l.want)
	if l.have.Kind != tree.Absent || l.attempt > 0 || !mark.telling() {
		return false
	}
	from, ok := b.formerName(ctx, l, mark)
	if !ok {
		return false
	}
	old := m.queue.claim(from)
	if old == nil {
		return false
	}
	old.gone = false
	giveBack := func() { m.queue.delay(old, 0) }
	if old.kept {
		giveBack = func() { m.queue.settle(old, verdict{}) }
	}
	defer giveBack()
	if !b.stillFits(ctx, from, mark) {
		return false
	}
	action := tree.Action{Kind: tree.Rename, Path: l.path, From: from, Want: l.src}
	began := time.Now()
	o := m.replica.Apply(ctx, []tree.Action{action})[0]
	if o.Err != nil {
		if old.kept { // nobody else knows that it is gone
			m.gone.put(mark, from)
		}
		return false
	}
	m.acted(action, o, l.cause, time.Since(began))
	if b.hasHeirs(from) { // it came after the last look, and its entry went, maybe
		b.dirtyAlike(from, l.cause)
	}
	if l.want.Kind == tree.Folder {
		m.queue.forgetHints(l.path)
		if l.pass != nil {
			l.pass.renamed(l.path)
		}
	}
	b.parents[from.Parent()] = l.pass
	l.attempt++
	l.deep = l.want.Kind == tree.Folder // what came along may be out of date
	m.queue.delay(l.item, 0)
	return true
}

// formerName takes the name under which the replica seems to have l.
func (b *batch) formerName(ctx context.Context, l *look, mark signature) (tree.Path, bool) {
	for _, from := range b.m.gone.candidates(mark, l.path.Name()) {
		if (l.want.Kind != tree.Folder || b.resembles(ctx, l.path, from)) && b.m.gone.take(mark, from) {
			return from, true
		}
	}
	return "", false
}

// resembles reports whether the replica's folder at from holds most of what the
// source's folder at path does, as far as a few names tell. Folders made within
// one tick of the clock have the same signature, a folder and its parent too.
func (b *batch) resembles(ctx context.Context, path, from tree.Path) bool {
	entries := list(b.m.source, path)
	if len(entries) == 0 {
		n, err := b.m.replica.Count(ctx, from, 2)
		return err == nil && n == 1
	}
	entries = entries[:min(len(entries), maxResembled)]
	below := make([]tree.Path, len(entries))
	for i, e := range entries {
		below[i] = from.Join(e.Name)
	}
	alike := 0
	for i, found := range b.m.replica.Look(ctx, below) {
		want, e := b.m.projected(entries[i]), found.Entry
		if found.Err == nil && e.Kind == want.Kind && e.Size == want.Size && e.Link == want.Link {
			alike++
		}
	}
	return 2*alike >= len(entries)
}

// stillFits looks at both sides of an old name once more. A file that has other
// names in the replica would bring them along: it does not fit.
func (b *batch) stillFits(ctx context.Context, from tree.Path, mark signature) bool {
	_, err := lookAfresh(b.m.source, from)
	if !isGone(err) || b.hasHeirs(from) {
		return false
	}
	found := b.m.replica.Look(ctx, []tree.Path{from})[0]
	if found.Entry.Kind == tree.File && found.Entry.Links > 1 {
		return false
	}
	return found.Err == nil && signatureOf(found.Entry) == mark && found.Entry.Name == from.Name()
}
