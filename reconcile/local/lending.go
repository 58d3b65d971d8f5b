package local

import (
	"sync"
	"sync/atomic"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// The rights of its owner that a folder needs.
const (
	toLook  = 0o100 // see single names
	toList  = 0o500 // and list them
	toWrite = 0o700 // and change them
)

// lending widens folders for as long as work in them lasts: an ordinary user
// may own a folder that its mode does not let the user work in, because the
// source's folder has that mode. Each folder is counted, so that the last of
// several workers puts the mode back. A crash in between leaves a mode that
// the next pass mends. Safe for concurrent use.
type lending struct {
	mu   sync.Mutex
	lent map[tree.ID]*loan
	any  atomic.Int32 // len(lent), to be asked without mu
}

// loan is one folder that is wider than it should be. Guarded by lending.mu.
type loan struct {
	of    *lending
	id    tree.ID
	dir   *at.Dir
	mode  uint32 // to be put back
	users int
}

// widen gives the owner of dir the rights in need; nil when it has them. dir
// may be closed before the loan is given back.
func (l *lending) widen(dir *at.Dir, need uint32) (*loan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	self, err := dir.Self()
	if err != nil {
		return nil, err
	}
	if known := l.lent[self.ID]; known != nil {
		known.users++
		return known, nil
	}
	if self.Mode&need == need {
		return nil, nil
	}
	if err := dir.SetMode("", self.Mode|toWrite); err != nil {
		return nil, err
	}
	own, err := dir.Sub(tree.Root, at.OneMount)
	if err != nil {
		dir.SetMode("", self.Mode)
		return nil, err
	}
	if l.lent == nil {
		l.lent = map[tree.ID]*loan{}
	}
	made := &loan{of: l, id: self.ID, dir: own, mode: self.Mode, users: 1}
	l.lent[self.ID] = made
	l.any.Add(1)
	return made, nil
}

// giveBack restores the mode when nobody else needs the folder any more. A nil
// loan is nothing to give back.
func (w *loan) giveBack() {
	if w == nil {
		return
	}
	l := w.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.users--; w.users > 0 {
		return
	}
	delete(l.lent, w.id)
	l.any.Add(-1)
	w.dir.SetMode("", w.mode) // what goes wrong here the next pass finds
	w.dir.Close()
}

// modeOf returns the mode that e will have when its folder is given back.
func (l *lending) modeOf(e tree.Entry) uint32 {
	if l.any.Load() == 0 || e.Kind != tree.Folder {
		return e.Mode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.lent[e.ID]; w != nil {
		return w.mode
	}
	return e.Mode
}

// setMode calls set, or, if the folder id is lent, notes the mode that it is to
// have when it is given back. Nobody widens a folder meanwhile, who would put
// the old mode back.
func (l *lending) setMode(id tree.ID, mode uint32, set func(uint32) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.lent[id]; w != nil {
		w.mode = mode
		return nil
	}
	return set(mode)
}
