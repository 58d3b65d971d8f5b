package local

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// heldFolders is how many handles of folders one call keeps: descriptors are
// few (1,024 for a process by default), and work comes folder by folder.
const heldFolders = 6

// folder is an open folder of the replica.
type folder struct {
	path tree.Path
	dir  *at.Dir
	loan *loan
	// self is the folder as it was when it was opened. inherits: what is
	// made in it gets an ACL or a group from it.
	self     tree.Entry
	inherits bool
}

// folders keeps the folders open in which one call works, the latest used
// first. One goroutine at a time.
type folders struct {
	r    *Replica
	need uint32
	open []*folder
}

func (r *Replica) openFolders(need uint32) *folders {
	return &folders{r: r, need: need, open: make([]*folder, 0, heldFolders)}
}

// get returns the folder at path, which stays open until heldFolders others
// were asked for. Errors: [tree.ErrNoParent] when no folder stands there,
// [tree.ErrMount].
func (f *folders) get(path tree.Path) (*folder, error) {
	for i, held := range f.open {
		if held.path == path {
			copy(f.open[1:i+1], f.open[:i])
			f.open[0] = held
			return held, nil
		}
	}
	opened, err := f.r.openFolder(path, f.need)
	if err != nil {
		return nil, err
	}
	if len(f.open) == heldFolders {
		f.open[heldFolders-1].close()
		f.open = f.open[:heldFolders-1]
	}
	f.open = slices.Insert(f.open, 0, opened)
	return opened, nil
}

// forget closes what is held at and below path: it is about to stand
// elsewhere.
func (f *folders) forget(path tree.Path) {
	f.open = slices.DeleteFunc(f.open, func(held *folder) bool {
		if held.path != path && !path.Holds(held.path) {
			return false
		}
		held.close()
		return true
	})
}

func (f *folders) close() {
	for _, held := range f.open {
		held.close()
	}
	f.open = f.open[:0]
}

func (f *folder) close() {
	f.loan.giveBack()
	f.dir.Close()
}

// openFolder opens the folder at path with the owner's rights in need.
func (r *Replica) openFolder(path tree.Path, need uint32) (*folder, error) {
	f := &folder{path: path}
	var err error
	f.dir, err = r.root.Sub(path, at.OneMount)
	if r.mayLend() && errors.Is(err, fs.ErrPermission) {
		f.dir, err = r.openLent(path)
	}
	if err != nil {
		return nil, noParent(err)
	}
	if r.mayLend() {
		if err := f.borrow(r, need); err != nil {
			f.dir.Close()
			return nil, err
		}
	}
	if need == toWrite {
		if err := f.learn(); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (r *Replica) mayLend() bool { return r.owner && !r.options.ReadOnly }

// borrow widens f and opens it again, now with the right to read it. So it does
// where somebody else gave that right after f was opened without it.
func (f *folder) borrow(r *Replica, need uint32) (err error) {
	f.loan, err = r.lent.widen(f.dir, need)
	if errors.Is(err, fs.ErrPermission) {
		return nil // somebody else's: what is tried next says what is missing
	}
	if err != nil || f.loan == nil && f.dir.Readable() {
		return err
	}
	again, err := f.dir.Sub(tree.Root, at.OneMount)
	if err != nil {
		f.loan.giveBack()
		return err
	}
	f.dir.Close()
	f.dir = again
	return nil
}

// openLent opens the folder at path although folders on the way to it may not
// be searched: each is widened until the next one is open.
func (r *Replica) openLent(path tree.Path) (*at.Dir, error) {
	dir, err := r.root.Sub(tree.Root, at.OneMount)
	if err != nil {
		return nil, err
	}
	for rest := string(path); rest != ""; {
		var name string
		name, rest = cutName(rest)
		loan, err := r.lent.widen(dir, toLook)
		if err != nil {
			dir.Close()
			return nil, err
		}
		next, err := dir.Sub(tree.Path(name), at.OneMount)
		loan.giveBack()
		dir.Close()
		if err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// cutName takes the first name off a path.
func cutName(path string) (name, rest string) {
	for i := range len(path) {
		if path[i] == '/' {
			return path[:i], path[i+1:]
		}
	}
	return path, ""
}

// learn finds out what f hands on to what is made in it.
func (f *folder) learn() (err error) {
	if f.self, err = f.dir.Self(); err != nil {
		return err
	}
	if f.self.Mode&0o2000 != 0 {
		f.inherits = true
		return nil
	}
	xattrs, err := f.dir.Xattrs("")
	if err != nil {
		return err
	}
	f.inherits = handsOn(xattrs)
	return nil
}

// handsOn reports whether a folder with these attributes gives what is made in
// it an ACL.
func handsOn(xattrs []tree.Xattr) bool {
	return slices.ContainsFunc(xattrs, func(x tree.Xattr) bool { return x.Name == tree.ACLDefault })
}

// noParent says in the words of the contract that a folder is missing.
func noParent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, at.ErrNotFolder) {
		return fmt.Errorf("%w: %w", tree.ErrNoParent, err)
	}
	return err
}
