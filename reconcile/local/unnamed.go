package local

import (
	"sync/atomic"

	"lockstep/reconcile/local/at"
)

// descriptorShare is the part of its descriptors, one in so many, that this
// process may use for files without a name.
const descriptorShare = 4

// unnamed counts the files that wait for their first name, each of which takes
// a descriptor until it has it. Safe for concurrent use.
type unnamed struct {
	most int64 // at a time; 0 where files cannot be made without a name
	held atomic.Int64
}

// reserve reports whether there is room for one more, which then counts.
func (u *unnamed) reserve() bool {
	if u.held.Add(1) <= u.most {
		return true
	}
	u.release()
	return false
}

func (u *unnamed) release() { u.held.Add(-1) }

// close closes a file for which there was room. Without a name, it is gone.
func (u *unnamed) close(f *at.File) {
	f.Close()
	u.release()
}
