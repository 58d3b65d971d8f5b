package reconcile

import (
	"fmt"
	"sync"

	"lockstep/reconcile/tree"
)

// problems remembers what went wrong where, so that each is told once, and of
// those with one cause no more than [mostAlike]: when a disk is full, all that is
// new is in trouble.
type problems struct {
	observer Observer

	mu    sync.Mutex
	known map[spot]trouble
	told  map[string]int // how many of each cause, if any
	age   int            // grows with each pass
}

// spot is a path, or what is inside the folder there: each may be in trouble
// without the other.
type spot struct {
	path   tree.Path
	inside bool
}

// trouble is what went wrong, and in which age it was last met. told: somebody
// heard of it.
type trouble struct {
	text, cause string
	age         int
	told        bool
}

const (
	// maxProblems bounds the memory for paths that are in trouble, and maxApart
	// is how many more may be told of when so many have been counted.
	maxProblems = 10_000
	maxApart    = 1_000
	// mostAlike is how many paths are told of that are in trouble for one cause.
	mostAlike = 50
)

func newProblems(o Observer) *problems {
	return &problems{observer: o, known: make(map[spot]trouble), told: make(map[string]int)}
}

// note tells of err at path unless it was told already.
func (p *problems) note(path tree.Path, err error, attempt int) {
	p.met(spot{path: path}, err, attempt)
}

// noteInside is note for a folder of which the entries are not known.
func (p *problems) noteInside(path tree.Path, err error) { p.met(spot{path, true}, err, 0) }

func (p *problems) met(at spot, err error, attempt int) {
	now := trouble{text: err.Error(), cause: causeOf(err)}
	p.mu.Lock()
	now.age = p.age
	old, known := p.known[at]
	if known && old.text == now.text {
		now.told = old.told
		p.known[at] = now
		p.mu.Unlock()
		return
	}
	p.forget(at)
	now.told = p.told[now.cause] < mostAlike && len(p.known) < maxProblems+maxApart
	if now.told {
		p.told[now.cause]++
	}
	if now.told || len(p.known) < maxProblems {
		p.known[at] = now
	}
	last := p.told[now.cause] == mostAlike
	p.mu.Unlock()
	if !now.told {
		return
	}
	if last {
		err = fmt.Errorf("%w (so are more paths, maybe: they are counted, and not told one by one)", err)
	}
	p.observer.Problem(Problem{Path: at.path, Err: err, Attempt: attempt})
}

// causeOf returns what is the same for all paths that are in trouble for one
// reason: the innermost error's text.
func causeOf(err error) string {
	for {
		switch inner := err.(type) {
		case interface{ Unwrap() error }:
			if inner.Unwrap() == nil {
				return err.Error()
			}
			err = inner.Unwrap()
		case interface{ Unwrap() []error }:
			if len(inner.Unwrap()) == 0 {
				return err.Error()
			}
			err = inner.Unwrap()[0]
		default:
			return err.Error()
		}
	}
}

// forget drops what is known of a spot, and reports whether it was told. The
// caller holds mu.
func (p *problems) forget(at spot) bool {
	t, known := p.known[at]
	if !known {
		return false
	}
	delete(p.known, at)
	if !t.told {
		return false
	}
	if p.told[t.cause]--; p.told[t.cause] == 0 {
		delete(p.told, t.cause)
	}
	return true
}

// solved tells that path is well again, if it was told that it was not.
func (p *problems) solved(path tree.Path) {
	p.mu.Lock()
	told := p.forget(spot{path: path})
	p.mu.Unlock()
	if told {
		p.observer.Solved(path)
	}
}

// solvedBelow is solved for all below a folder that is none any more.
func (p *problems) solvedBelow(folder tree.Path) {
	p.mu.Lock()
	var solved []tree.Path
	for at := range p.known {
		if (folder.Holds(at.path) || at == spot{folder, true}) && p.forget(at) {
			solved = append(solved, at.path)
		}
	}
	p.mu.Unlock()
	for _, path := range solved {
		p.observer.Solved(path)
	}
}

// nextAge begins an age, and solveOlder ends it: a pass has met every problem
// that there is, but for what is inside a folder that is itself in trouble.
func (p *problems) nextAge() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.age++
}

func (p *problems) solveOlder() {
	p.mu.Lock()
	var solved []tree.Path
	for at, t := range p.known {
		if t.age < p.age && !p.hidden(at.path) && p.forget(at) {
			solved = append(solved, at.path)
		}
	}
	p.mu.Unlock()
	for _, path := range solved {
		p.observer.Solved(path)
	}
}

// hidden reports whether the pass could not come to path. The caller holds mu.
func (p *problems) hidden(path tree.Path) bool {
	for path != tree.Root {
		path = path.Parent()
		if t, known := p.known[spot{path, true}]; known && t.age == p.age {
			return true
		}
	}
	return false
}

func (p *problems) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.known)
}
