package local

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// sourceFolder is an open folder of a [Source].
type sourceFolder struct {
	d    *at.Dir
	path tree.Path
}

// dir is the handle itself, for a replica on the same machine.
func (f *sourceFolder) dir() *at.Dir { return f.d }

func (f *sourceFolder) Close() error { return f.d.Close() }

// Self calls statx and listxattr on the handle.
func (f *sourceFolder) Self() (tree.Entry, error) {
	e, err := f.d.Self()
	if err == nil {
		e.Xattrs, err = f.d.Xattrs("")
	}
	if err != nil {
		return tree.Entry{}, f.failed("look at", f.path, err)
	}
	if f.path == tree.Root && e.Links == 0 {
		return tree.Entry{}, rootGone(f.d)
	}
	return e, nil
}

// List calls getdents64, then statx for each name and, but for files,
// readlinkat or listxattr. A name that is gone by then is left out; everything
// else that goes wrong at a name makes the folder one that is not known: who
// may read a folder but not search it sees names, and none of them.
func (f *sourceFolder) List() ([]tree.Entry, error) { return f.list(nil, f.entry) }

// Names calls getdents64, and statx as List does for all but files, and for one
// of those: whether a folder may be searched shows at any name.
func (f *sourceFolder) Names(buf []tree.Entry) ([]tree.Entry, error) {
	searched := false
	return f.list(buf, func(n at.Name) (tree.Entry, error) {
		if n.Kind == tree.File && searched {
			return tree.Entry{Name: n.Name, Kind: tree.File}, nil
		}
		searched = searched || n.Kind == tree.File
		return f.entry(n)
	})
}

// list calls look for each name, in their order.
func (f *sourceFolder) list(buf []tree.Entry, look func(at.Name) (tree.Entry, error)) ([]tree.Entry, error) {
	l := listings.Get().(*listing)
	defer l.giveBack()
	if err := l.read(f.d); err != nil {
		return nil, f.failed("list", f.path, err)
	}
	entries := slices.Grow(buf[:0], len(l.names))
	for _, n := range l.names {
		e, err := look(n)
		switch {
		case err == nil:
			entries = append(entries, e)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, f.failed("look at", f.path.Join(n.Name), err)
		}
	}
	return entries, nil
}

// entry is what a list has of a name.
func (f *sourceFolder) entry(n at.Name) (tree.Entry, error) { return f.look(n.Name, leaveFiles) }

// Look calls statx, then readlinkat or listxattr.
func (f *sourceFolder) Look(name string) (tree.Entry, error) {
	return f.told(name, ofAll)
}

// Listed calls statx, then readlinkat or listxattr but for files.
func (f *sourceFolder) Listed(name string) (tree.Entry, error) {
	return f.told(name, leaveFiles)
}

func (f *sourceFolder) told(name string, w whose) (tree.Entry, error) {
	e, err := f.look(name, w)
	if err != nil {
		return tree.Entry{}, f.failed("look at", f.path.Join(name), err)
	}
	return e, nil
}

// whose extended attributes look is to read.
type whose bool

const (
	ofAll      whose = true
	leaveFiles whose = false
)

func (f *sourceFolder) look(name string, w whose) (e tree.Entry, err error) {
	e, err = f.d.Look(name)
	if err != nil || e.Kind == tree.Socket || e.Kind == tree.File && w == leaveFiles {
		return e, err
	}
	e.Xattrs, err = f.d.Xattrs(name)
	return e, err
}

// failed names the path, and keeps the absence of the root apart from that of
// an entry.
func (f *sourceFolder) failed(verb string, path tree.Path, err error) error {
	if f.path == tree.Root && errors.Is(err, fs.ErrNotExist) {
		if gone := rootGone(f.d); gone != nil {
			return gone
		}
	}
	if path == tree.Root {
		return fmt.Errorf("%s the source: %w", verb, err)
	}
	return fmt.Errorf("%s %q: %w", verb, path, err)
}
