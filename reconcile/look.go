package reconcile

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"lockstep/reconcile/tree"
)

// look is one path while it is worked on: what both sides have.
type look struct {
	*item
	src  tree.Entry // as the source has it; Absent when gone for certain
	want tree.Entry // what the replica is to hold for it
	have tree.Entry // as the replica has it
	err  error      // one of the sides is not known
	// alone: the source has not even the folder that held the path.
	alone bool
	// misspelled is by which other name the replica lists it. heirs are paths
	// of the source that may be one name with it there.
	misspelled string
	heirs      []tree.Path
	// unsearched: so long it takes until the other names of the file may be
	// searched for.
	unsearched time.Duration
}

// lookAtSource fills src and want.
func (b *batch) lookAtSource() {
	for _, l := range b.looks {
		l.err = b.lookUp(l)
		if l.err != nil {
			continue
		}
		b.m.guard.looked(l.path, l.src.Kind != tree.Absent, l.cause == ByWatch)
		if left, ok := b.m.links.see(l.path, l.src); ok {
			b.m.dirtyFor(l.pass, left, dirt{cause: l.cause})
		}
		if l.src.Kind != tree.Absent {
			var lost tree.Attributes
			l.want, lost = b.m.traits.Project(l.src)
			if l.src.Kind != tree.Socket {
				b.m.noteLost(lost, l.path)
			}
		}
	}
}

// lookUp fills src, from the hint if there is a good one.
func (b *batch) lookUp(l *look) (err error) {
	if l.attempt > 0 {
		l.hint = nil
	}
	if l.hint != nil {
		l.src = *l.hint
		return nil
	}
	l.src, err = b.folders.look(l.path)
	switch {
	case errors.Is(err, errFolderGone):
		l.alone = true
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// lookAtReplica fills have for what can be decided upon.
func (b *batch) lookAtReplica(ctx context.Context) {
	paths := make([]tree.Path, 0, len(b.looks))
	asked := make([]*look, 0, len(b.looks))
	for _, l := range b.looks {
		if l.err == nil && !l.alone && l.hint == nil {
			paths = append(paths, l.path)
			asked = append(asked, l)
		}
	}
	if len(paths) == 0 {
		return
	}
	for i, found := range b.m.replica.Look(ctx, paths) {
		asked[i].have, asked[i].err = found.Entry, found.Err
	}
}

// meetsGone deals with a path that the source does not have. It reports
// whether the path is to be removed now; first it gets a while to turn up under
// another name, for as long as there are dirty paths that nobody has looked at.
func (b *batch) meetsGone(l *look) bool {
	m := b.m
	waited := l.gone
	b.unmark(l)
	switch {
	case l.have.Kind == tree.Absent:
		m.problems.solved(l.path)
		b.settle(l, verdict{result: absent})
		return false
	case !waited:
		l.moment, l.patience, l.awaited = 0, m.o.Patience, time.Time{}
	case !l.wanted && (l.patience > maxAwaited || !l.mark.telling() || b.knowsAll(l)):
		return true
	default:
		l.patience = min(2*l.patience, 2*maxAwaited)
	}
	l.gone, l.wanted, l.mark = true, false, signatureOf(l.have)
	m.gone.put(l.mark, l.path)
	b.gone = append(b.gone, l)
	return false
}

// knowsAll reports whether nobody can be the new name of l any more: whatever
// was dirty when its patience first ended has been looked at.
func (b *batch) knowsAll(l *look) bool {
	if l.moment == 0 {
		l.moment = b.m.queue.moment()
	}
	return b.m.queue.allSeen(l.moment)
}

// beginPatience has those that were met gone wait for their new names, which
// were none of this batch.
func (b *batch) beginPatience() {
	for _, l := range b.gone {
		if l.gone {
			b.m.queue.delay(l.item, l.patience)
		} else {
			b.m.queue.delay(l.item, 0)
		}
	}
	b.gone = nil
}

// unmark forgets that a path was found gone.
func (b *batch) unmark(l *look) {
	if l.gone {
		b.m.gone.drop(l.mark, l.path)
		l.gone = false
	}
}
