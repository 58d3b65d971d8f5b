package reconcile

import (
	"slices"
	"sync"

	"lockstep/reconcile/tree"
)

const (
	// maxCandidates is how many vanished paths of one signature are considered.
	maxCandidates = 16
	// maxAlike is how many of one signature are remembered: each is met by
	// looking at all. More than that have one size and one time by design, and
	// those that a few batches meet are enough to find renames among them.
	maxAlike = 4 * maxBatch
)

// signature is what a file or folder keeps when it is renamed and seldom
// shares with others. A match is a guess: what follows it compares.
type signature struct {
	kind tree.Kind
	mode uint32
	size int64
	time tree.Time
}

func signatureOf(e tree.Entry) signature {
	return signature{e.Kind, e.Mode, e.Size, e.ModTime}
}

// telling reports whether bringing s over again costs more than a rename.
func (s signature) telling() bool {
	return s.kind == tree.Folder || s.kind == tree.File && s.size > 0
}

// vanished remembers paths that are gone from the source and still stand in
// the replica, for the short time before they are removed: an entry that
// appears elsewhere meanwhile may be one of them under a new name.
type vanished struct {
	mu    sync.Mutex
	paths map[signature][]tree.Path
}

func newVanished() *vanished {
	return &vanished{paths: make(map[signature][]tree.Path)}
}

func (v *vanished) put(s signature, path tree.Path) {
	if !s.telling() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.paths[s]) < maxAlike {
		v.paths[s] = append(v.paths[s], path)
	}
}

// drop forgets path; it is removed now, or came back.
func (v *vanished) drop(s signature, path tree.Path) { v.take(s, path) }

// candidates returns the paths that s fits, at most a few, those of the same
// name first.
func (v *vanished) candidates(s signature, name string) []tree.Path {
	v.mu.Lock()
	defer v.mu.Unlock()
	var named, others []tree.Path
	for _, path := range v.paths[s] {
		switch {
		case path.Name() == name && len(named) < maxCandidates:
			named = append(named, path)
		case len(others) < maxCandidates:
			others = append(others, path)
		}
	}
	named = append(named, others...)
	return named[:min(len(named), maxCandidates)]
}

// take drops path, and reports whether it was still there to be taken.
func (v *vanished) take(s signature, path tree.Path) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.Index(v.paths[s], path)
	if i >= 0 {
		v.cut(s, i)
	}
	return i >= 0
}

func (v *vanished) cut(s signature, i int) {
	if len(v.paths[s]) == 1 {
		delete(v.paths, s)
		return
	}
	v.paths[s] = slices.Delete(v.paths[s], i, i+1)
}
