package reconcile

// Of very many paths that are in trouble, a person hears of a few.

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"lockstep/reconcile/tree"
)

// hearer is an Observer that notes what is told of problems.
type hearer struct {
	silent
	problems []Problem
	solved   []tree.Path
}

func (h *hearer) Problem(p Problem)     { h.problems = append(h.problems, p) }
func (h *hearer) Solved(path tree.Path) { h.solved = append(h.solved, path) }

// When a disk is full everything that is new is in trouble. A person hears of
// some paths, that there are more, and of any other trouble.
//
// Scenarios: S1, S2.
func TestProblemsOfOneCause(t *testing.T) {
	h := &hearer{}
	p := newProblems(h)
	path := func(i int) tree.Path { return tree.Path(fmt.Sprint("file-", i)) }
	const many = 3 * mostAlike
	for range 2 { // each is tried again
		for i := range many {
			p.note(path(i), fmt.Errorf("copy: %s: %w", path(i), syscall.ENOSPC), 1)
		}
	}
	if len(h.problems) != mostAlike || p.count() != many {
		t.Errorf("%d told, %d counted of %d", len(h.problems), p.count(), many)
	}
	for i, told := range h.problems {
		if last := i == mostAlike-1; strings.Contains(told.Err.Error(), "more paths") != last || !errors.Is(told.Err, syscall.ENOSPC) {
			t.Errorf("told as number %d: %v", i+1, told.Err)
		}
	}
	p.note("other", fmt.Errorf("copy: %w", syscall.EACCES), 1)
	if last := h.problems[len(h.problems)-1]; last.Path != "other" {
		t.Errorf("another trouble was not told: %v", last)
	}
	// One that was told gets into other trouble, and the rest is well again.
	p.note(path(0), syscall.EACCES, 2)
	if len(h.problems) != mostAlike+2 {
		t.Errorf("told: %v", h.problems)
	}
	for i := range many {
		p.solved(path(i))
	}
	p.nextAge()
	p.solveOlder()
	if len(h.solved) != mostAlike+1 || p.count() != 0 || len(p.told) != 0 {
		t.Errorf("%d are solved, %d left, causes %v", len(h.solved), p.count(), p.told)
	}
}

// What cannot be remembered is not told again and again. But many in the same
// trouble do not hide another one.
func TestProblemsAreBounded(t *testing.T) {
	h := &hearer{}
	p := newProblems(h)
	for i := range 2 * maxProblems {
		p.note(tree.Path(fmt.Sprint("full ", i)), syscall.ENOSPC, 1)
	}
	if len(h.problems) != mostAlike || p.count() != maxProblems {
		t.Errorf("%d told, %d remembered", len(h.problems), p.count())
	}
	h.problems = nil
	for range 2 {
		for i := range 2 * maxApart {
			p.note(tree.Path(fmt.Sprint(i)), fmt.Errorf("trouble %d", i), 1)
		}
	}
	if len(h.problems) != maxApart || p.count() != maxProblems+maxApart {
		t.Errorf("%d told, %d remembered", len(h.problems), p.count())
	}
}

func TestCauseOf(t *testing.T) {
	full := fmt.Errorf("stage: %w", syscall.ENOSPC)
	for _, err := range []error{full, fmt.Errorf("copy %q: %w", "a", full), errors.Join(full, syscall.EIO)} {
		if got := causeOf(err); got != syscall.ENOSPC.Error() {
			t.Errorf("the cause of %q is %q", err, got)
		}
	}
}
