package reconcile

// Two names of a file may not be linked in the replica though it can hold such
// names: the file has as many as its file system allows (EMLINK), or they are on
// parts of that between which no link leads, such as subvolumes (EXDEV). Then the
// name is a file of its own there, a copy, which is kept equal as any other. That
// is a problem of the path, and each pass tries again.

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"lockstep/reconcile/tree"
)

// copyInstead has l looked at again, to become a copy, when err says that it
// cannot be linked to the file at from.
func (b *batch) copyInstead(l *look, from tree.Path, err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) || errno != syscall.EXDEV && errno != syscall.EMLINK {
		return false
	}
	b.m.links.refuse(l.path, l.src.ID, fmt.Errorf("cannot be linked to %q: %w; it is a copy", string(from), errno))
	b.lookAnew(l)
	return true
}

// solve notes that l is equal, but for what lacks, if not nil, or for a link that
// cannot be made.
func (b *batch) solve(l *look, lacks error) {
	if lacks == nil {
		lacks = b.m.links.refusal(l.path)
	}
	if lacks != nil {
		b.m.problems.note(l.path, lacks, l.attempt)
		return
	}
	b.m.problems.solved(l.path)
}

// refuse notes why path, a name of id, is a copy in the replica.
func (l *links) refuse(path tree.Path, id tree.ID, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen, known := l.byPath[path]; known && seen.id == id {
		seen.refused = why
		l.byPath[path] = seen
	}
}

// refusal returns why path is a copy in the replica; nil if it is to be none.
func (l *links) refusal(path tree.Path) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byPath[path].refused
}

// allow has path linked again, if that can be done now.
func (l *links) allow(path tree.Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen := l.byPath[path]; seen.refused != nil {
		seen.refused = nil
		l.byPath[path] = seen
	}
}

// withoutCopies returns those of names that are not copies, and those that are.
func (p *pass) withoutCopies(names []linkedPath) (linked, copies []linkedPath) {
	for _, l := range names {
		if p.visit == nil && p.m.links.refusal(l.path) != nil {
			copies = append(copies, l)
		} else {
			linked = append(linked, l)
		}
	}
	return linked, copies
}

// settleCopies has copies linked that can be now.
func (p *pass) settleCopies(ctx context.Context, copies []linkedPath) error {
	for _, l := range p.lookAgain(ctx, copies) {
		p.mu.Lock()
		p.report.Drift++
		p.mu.Unlock()
		p.m.links.allow(l.path)
		if err := p.track(ctx, l.path, dirt{cause: ByPass, fresh: l.ReplicaLinks > 1}, nil); err != nil {
			return err
		}
	}
	return p.wait(ctx)
}

// countCopies notes those of names that are copies still.
func (p *pass) countCopies(names []linkedPath) {
	_, copies := p.withoutCopies(names)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Problems += int64(len(copies))
	p.flawed = p.flawed || len(copies) > 0
}
