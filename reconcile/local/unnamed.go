package local

import (
	"io/fs"
	"sync"
	"sync/atomic"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// descriptorShare is the part of its descriptors, one in so many, that this
// process may use for files without a name.
const descriptorShare = 4

// unseenMode is for a file that gets its mode later.
const unseenMode = 0o600

// unnamed counts the files that wait for their first name, each of which takes
// a descriptor until it has it. Safe for concurrent use.
type unnamed struct {
	most int64 // at a time; 0 where files cannot be made without a name
	held atomic.Int64
	// modes are the bits of a mode that one has if it is made with them, where
	// the folder hands nothing on.
	modes uint32

	// closing is held by who closes one of them or opens it once more.
	closing sync.Mutex
}

// unnamedFile is one of them.
type unnamedFile struct {
	*at.File
	among  *unnamed
	mode   uint32 // that it has
	closed bool   // guarded by among.closing
}

var _ tree.Nameless = (*unnamedFile)(nil)

// reserve reports whether there is room for one more, which then counts.
func (u *unnamed) reserve() bool {
	if u.held.Add(1) <= u.most {
		return true
	}
	u.release()
	return false
}

func (u *unnamed) release() { u.held.Add(-1) }

// create makes a file in f for which there is room: with the mode that it is to
// have, if that is certain and does not keep attributes from being set.
func (u *unnamed) create(f *folder, want tree.Entry) (*unnamedFile, error) {
	made := &unnamedFile{among: u, mode: want.Mode}
	mode := want.Mode
	if mode&^u.modes != 0 || f.inherits || len(want.Xattrs) > 0 {
		mode, made.mode = unseenMode, noMode
	}
	var err error
	if made.File, err = f.dir.CreateUnnamed(mode); err != nil {
		u.release()
		return nil, err
	}
	return made, nil
}

// learn finds out about such files in a folder: nothing that is made in it may
// get anything from it.
func (u *unnamed) learn(dir *at.Dir) {
	f, err := dir.CreateUnnamed(unseenMode)
	if err != nil {
		return
	}
	defer f.Close()
	if f.Link(dir, "unnamed") != nil {
		return
	}
	u.most = int64(at.Descriptors() / descriptorShare)
	all, err := dir.CreateUnnamed(0o777)
	if err != nil {
		return
	}
	defer all.Close()
	e, err := all.Entry()
	xattrs, xattrsErr := dir.Xattrs("")
	if err == nil && xattrsErr == nil && !handsOn(xattrs) {
		u.modes = e.Mode & 0o777
	}
}

// Again opens the file once more.
func (f *unnamedFile) Again() (tree.ReadAtCloser, error) {
	f.among.closing.Lock()
	defer f.among.closing.Unlock()
	if f.closed {
		return nil, fs.ErrNotExist
	}
	return f.File.Again()
}

// close ends the waiting. Without a name, the file is gone.
func (f *unnamedFile) close() {
	f.among.closing.Lock()
	f.closed = true
	f.among.closing.Unlock()
	f.File.Close()
	f.among.release()
}
