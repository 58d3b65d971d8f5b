package reconcile

import (
	"context"
	"slices"
	"time"

	"lockstep/reconcile/tree"
)

// maxResembled is how many names of two folders are looked at before one is
// taken for the other under its new name.
const maxResembled = 16

// maxAwaited is how long a new name waits for what seems to be its former one.
const maxAwaited = time.Second

// renameInstead renames what was under another name in the replica, where
// l looks like it under its new one. It guesses: both names are looked at
// again. It reports whether l is dealt with.
func (b *batch) renameInstead(ctx context.Context, l *look) bool {
	m := b.m
	mark := signatureOf(l.want)
	if l.have.Kind != tree.Absent || l.attempt > 0 || !mark.telling() {
		return false
	}
	var busy tree.Path
	for _, from := range b.likeliest(ctx, l, m.gone.candidates(mark, l.path.Name())) {
		old := b.claim(from)
		if old == nil {
			busy = from
			continue
		}
		if m.gone.take(mark, from) {
			return b.renameFrom(ctx, l, old, mark)
		}
		b.giveBack(old)
	}
	if l.want.Kind != tree.Folder || l.cause == ByPass || busy != tree.Root {
		return busy != tree.Root && b.await(l, busy)
	}
	if busy = b.unseen(ctx, l, mark); busy != tree.Root {
		return b.await(l, busy)
	}
	return b.awaitWord(l)
}

// renameFrom renames old, if it fits still.
func (b *batch) renameFrom(ctx context.Context, l *look, old *item, mark signature) bool {
	m, from := b.m, old.path
	old.gone = false
	if !b.stillFits(ctx, from, mark) || !b.mayRename(from, old.cause) {
		b.giveBack(old)
		return false
	}
	action := tree.Action{Kind: tree.Rename, Path: l.path, From: from, Want: l.src}
	began := time.Now()
	o := m.replica.Apply(ctx, []tree.Action{action})[0]
	if o.Err != nil {
		if old.kept { // nobody else knows that it is gone
			m.gone.put(mark, from)
		}
		b.giveBack(old)
		return false
	}
	m.acted(action, o, l.cause, time.Since(began))
	if b.hasHeirs(from) { // it came after the last look, and its entry went, maybe
		b.dirtyAlike(from, l.cause)
	}
	if l.want.Kind == tree.Folder {
		m.links.renamed(from, l.path)
		m.problems.solvedBelow(from)
		m.queue.forgetHints(l.path)
		if l.pass != nil {
			l.pass.renamed(l.path)
		}
	}
	b.touchFolder(from.Parent(), l.pass)
	b.release(old)
	l.awaited = time.Time{}
	l.attempt++
	l.deep = l.want.Kind == tree.Folder // what came along may be out of date
	b.lookAnew(l)
	return true
}

// claim takes a path that is gone out of its turn; nil if it cannot be had now.
// One that was met in this batch is there to be had.
func (b *batch) claim(path tree.Path) *item {
	for _, l := range b.gone {
		if l.path == path {
			return l.item
		}
	}
	return b.m.queue.claim(path)
}

// giveBack ends what claim began.
func (b *batch) giveBack(it *item) {
	switch {
	case slices.ContainsFunc(b.gone, func(l *look) bool { return l.item == it }): // finish does that
	case it.kept:
		b.m.queue.settle(it, verdict{})
	default:
		b.m.queue.delay(it, 0)
	}
}

// release ends what claim began for a path that has been renamed. Whatever
// comes under its name next has an event of its own, or is found by a pass.
func (b *batch) release(it *item) {
	b.gone = slices.DeleteFunc(b.gone, func(l *look) bool { return l.item == it })
	b.m.problems.solved(it.path)
	b.ended = append(b.ended, ended{it: it, v: verdict{result: absent}})
}

// await lets l wait for what seems to be its former name and cannot be had,
// for it or something above or below it is at work: copying l meanwhile may
// cost more by far. It reports false when l has waited long enough.
func (b *batch) await(l *look, from tree.Path) bool {
	if l.awaited.IsZero() {
		l.awaited = time.Now()
	}
	if time.Since(l.awaited) > maxAwaited {
		return false
	}
	l.hint = nil
	b.m.queue.await(l.item, from, maxAwaited)
	return true
}

// awaitWord lets a folder wait for word of its former name, that looks as if it
// was renamed just now: an earlier event may have led here. A rename changes
// the folder itself, but not its content.
func (b *batch) awaitWord(l *look) bool {
	changed := time.Unix(l.src.ChangeTime.Sec, int64(l.src.ChangeTime.Nsec))
	if l.src.ChangeTime == l.src.ModTime || time.Since(changed) > maxAwaited {
		return false
	}
	if l.awaited.IsZero() {
		l.awaited = time.Now()
	}
	left := b.m.o.Patience - time.Since(l.awaited)
	if left <= 0 {
		return false
	}
	b.m.queue.putOff(l.item, left)
	return true
}

// unseen returns a folder that seems to be l under its former name, and that
// nobody has looked at since it went: it waits for what is at work below it.
// It is [tree.Root] if there is none.
func (b *batch) unseen(ctx context.Context, l *look, mark signature) tree.Path {
	for _, from := range b.m.queue.aboveWork(maxCandidates) {
		if _, err := lookAfresh(b.m.source, from); !isGone(err) {
			continue
		}
		found := b.m.replica.Look(ctx, []tree.Path{from})[0]
		if found.Err == nil && signatureOf(found.Entry) == mark && len(b.likeliest(ctx, l, []tree.Path{from})) > 0 {
			return from
		}
	}
	return tree.Root
}

// likeliest returns those of names that may be the former one of l, the one
// that resembles it most first. Folders made within one tick of the clock have
// the same signature, a folder and its parent too.
func (b *batch) likeliest(ctx context.Context, l *look, names []tree.Path) []tree.Path {
	names = slices.DeleteFunc(names, func(from tree.Path) bool { return from.Holds(l.path) || l.path.Holds(from) })
	if len(names) == 0 || l.want.Kind != tree.Folder {
		return names
	}
	below, wants := b.sample(l.path)
	alike := make(map[tree.Path]int)
	names = slices.DeleteFunc(names, func(from tree.Path) bool {
		if len(below) == 0 {
			n, err := b.m.replica.Count(ctx, from, 2)
			return err != nil || n > 1
		}
		alike[from] = b.resemblance(ctx, from, below, wants)
		return 2*alike[from] < len(below)
	})
	slices.SortStableFunc(names, func(x, y tree.Path) int { return alike[y] - alike[x] })
	return names
}

// resemblance returns how many of wants the replica has below a folder.
func (b *batch) resemblance(ctx context.Context, folder tree.Path, below []string, wants []tree.Entry) (alike int) {
	paths := make([]tree.Path, len(below))
	for i, name := range below {
		paths[i] = folder.Join(name)
	}
	for i, found := range b.m.replica.Look(ctx, paths) {
		want, e := wants[i], found.Entry
		if found.Err == nil && e.Kind == want.Kind && e.Size == want.Size && e.Link == want.Link {
			alike++
		}
	}
	return alike
}

// sample returns up to maxResembled paths below a folder of the source, from
// there on, those nearest to it, and what the replica is to hold for them.
func (b *batch) sample(folder tree.Path) (below []string, wants []tree.Entry) {
	folders := []tree.Path{folder}
	for ; len(folders) > 0; folders = folders[1:] {
		for _, e := range list(b.m.source, folders[0]) {
			if len(below) == maxResembled {
				return below, wants
			}
			path := folders[0].Join(e.Name)
			below = append(below, string(path[len(folder)+1:]))
			wants = append(wants, b.m.projected(e))
			if e.Kind == tree.Folder {
				folders = append(folders, path)
			}
		}
	}
	return below, wants
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
