// Package at reads and changes single names of open folders. It is the only
// code of lockstep that makes system calls on a source or a replica.
//
// Everything starts at the handle of a folder: [Open] resolves the path of a
// root once, [Dir.Sub] walks down from there without following a symlink, and
// every other call takes one name of an open folder. Whatever is renamed or
// swapped for a symlink meanwhile, no call reaches another folder than the
// one that was opened.
//
// Names are single components as raw bytes; an empty name, where a call takes
// one, is the folder itself. Errors carry the system call and its errno, but
// no path: callers know it and add it. Calls are retried after EINTR.
package at

import (
	"errors"

	"lockstep/reconcile/tree"
)

// What callers test for, besides [fs.ErrNotExist] and its like, the errno
// itself, and [tree.ErrMount] for a walk that met a mount point.
var (
	// ErrNotFolder: a component of the path is there but is no folder, be it
	// a symlink to one.
	ErrNotFolder = errors.New("not a folder")
	// ErrNotFile: something else than a regular file stands at the name.
	ErrNotFile = errors.New("not a regular file")
	// ErrUnsupported: this file system or system cannot do it; another way
	// may lead there. It is [errors.ErrUnsupported].
	ErrUnsupported = errors.ErrUnsupported
	// ErrLocked: another process holds the lock.
	ErrLocked = errors.New("locked by another process")
)

// Walk says what a walk down from a folder may cross.
type Walk uint8

const (
	// CrossMounts enters what is mounted below the folder.
	CrossMounts Walk = iota
	// OneMount ends at the first mount point, a bind mount of the same file
	// system included, with [tree.ErrMount].
	OneMount
)

// How says what a rename does with what stands at the new name.
type How uint8

const (
	// Replace puts the old name over the new one.
	Replace How = iota
	// NoReplace answers [fs.ErrExist] when something stands at the new name.
	NoReplace
	// Exchange swaps the two names; both must exist.
	Exchange
)

// Keep is a uid or gid that is to stay as it is.
const Keep = ^uint32(0)

// The modes of what is made: nobody else may look before the owner, mode and
// ACL of the original are set.
const (
	newFileMode   = 0o600
	newFolderMode = 0o700
)

// Name is one name of a folder as a listing tells it.
type Name struct {
	Name string
	// Kind is [tree.Absent] where the listing does not tell it.
	Kind tree.Kind
	Ino  uint64
}

// Identity tells a folder from every other one, also from one that was
// created later with the same inode number. It stays equal when the same file
// system is mounted again. Comparable; the zero Identity is nobody's.
type Identity struct {
	fsType uint64
	fsID   uint64
	ino    uint64
	birth  tree.Time
}

// OpenStraight is [Open] and then [Dir.Sub] across mounts, at once; nil where
// that cannot be done, for one of many reasons: a symlink on the way to the root
// is one. What is missing the two calls tell.
func OpenStraight(root string, path tree.Path) *Dir { return openStraight(root, path) }

// OpenFile opens the regular file name for reading. It does not block on a
// FIFO. Errors: [fs.ErrNotExist], [ErrNotFile] for a symlink.
func (d *Dir) OpenFile(name string) (*File, error) {
	f := new(File)
	if err := d.OpenIn(f, name); err != nil {
		return nil, err
	}
	return f, nil
}

// OpenIn is OpenFile into f, for who opens one file after the other.
func (d *Dir) OpenIn(f *File, name string) (err error) {
	*f, err = d.openFile(name)
	return err
}

// checkName keeps whatever is no single component from the system calls.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > tree.MaxName {
		return tree.CheckName(name)
	}
	for i := range len(name) {
		if name[i] == '/' || name[i] == 0 {
			return tree.CheckName(name)
		}
	}
	return nil
}
