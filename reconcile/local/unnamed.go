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

// unnamed counts the files that wait for their first name, each of which takes
// a descriptor until it has it. Safe for concurrent use.
type unnamed struct {
	most int64 // at a time; 0 where files cannot be made without a name
	held atomic.Int64

	// closing is held by who closes one of them or opens it once more.
	closing sync.Mutex
}

// unnamedFile is one of them.
type unnamedFile struct {
	*at.File
	among  *unnamed
	closed bool // guarded by among.closing
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

// create makes a file in f for which there is room.
func (u *unnamed) create(f *folder) (*unnamedFile, error) {
	file, err := f.dir.CreateUnnamed()
	if err != nil {
		u.release()
		return nil, err
	}
	return &unnamedFile{File: file, among: u}, nil
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
