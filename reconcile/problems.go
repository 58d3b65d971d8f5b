package reconcile

import (
	"sync"

	"lockstep/reconcile/tree"
)

// problems remembers what went wrong where, so that each is told once.
type problems struct {
	observer Observer

	mu    sync.Mutex
	known map[tree.Path]string
}

// maxProblems bounds the memory for paths that are in trouble.
const maxProblems = 10_000

func newProblems(o Observer) *problems {
	return &problems{observer: o, known: make(map[tree.Path]string)}
}

// note tells of err at path unless it was told already.
func (p *problems) note(path tree.Path, err error, attempt int) {
	text := err.Error()
	p.mu.Lock()
	old, known := p.known[path]
	full := !known && len(p.known) >= maxProblems
	if !full {
		p.known[path] = text
	}
	p.mu.Unlock()
	if !known && !full || known && old != text {
		p.observer.Problem(Problem{Path: path, Err: err, Attempt: attempt})
	}
}

// solved tells that path is well again, if it was not.
func (p *problems) solved(path tree.Path) {
	p.mu.Lock()
	_, known := p.known[path]
	delete(p.known, path)
	p.mu.Unlock()
	if known {
		p.observer.Solved(path)
	}
}

func (p *problems) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.known)
}
