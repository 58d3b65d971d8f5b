package reconcile

import (
	"sync"

	"lockstep/reconcile/tree"
)

// problems remembers what went wrong where, so that each is told once.
type problems struct {
	observer Observer

	mu    sync.Mutex
	known map[spot]trouble
	age   int // grows with each pass
}

// spot is a path, or what is inside the folder there: each may be in trouble
// without the other.
type spot struct {
	path   tree.Path
	inside bool
}

// trouble is what was told, and in which age it was last met.
type trouble struct {
	text string
	age  int
}

// maxProblems bounds the memory for paths that are in trouble.
const maxProblems = 10_000

func newProblems(o Observer) *problems {
	return &problems{observer: o, known: make(map[spot]trouble)}
}

// note tells of err at path unless it was told already.
func (p *problems) note(path tree.Path, err error, attempt int) {
	p.met(spot{path: path}, err, attempt)
}

// noteInside is note for a folder of which the entries are not known.
func (p *problems) noteInside(path tree.Path, err error) { p.met(spot{path, true}, err, 0) }

func (p *problems) met(at spot, err error, attempt int) {
	text := err.Error()
	p.mu.Lock()
	old, known := p.known[at]
	full := !known && len(p.known) >= maxProblems
	if !full {
		p.known[at] = trouble{text, p.age}
	}
	p.mu.Unlock()
	if !known && !full || known && old.text != text {
		p.observer.Problem(Problem{Path: at.path, Err: err, Attempt: attempt})
	}
}

// solved tells that path is well again, if it was not.
func (p *problems) solved(path tree.Path) {
	p.mu.Lock()
	_, known := p.known[spot{path: path}]
	if known {
		delete(p.known, spot{path: path})
	}
	p.mu.Unlock()
	if known {
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
		if t.age < p.age && !p.hidden(at.path) {
			delete(p.known, at)
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
