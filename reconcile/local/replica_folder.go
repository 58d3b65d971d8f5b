package local

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lockstep/reconcile/tree"
)

// replicaFolder is a folder of a [Replica], open for reading.
type replicaFolder struct {
	*folder
	r *Replica
}

// Folder opens the folder at path for those who read what the replica holds:
// entries at work do not show. What is mounted in the replica does not belong
// to it. Errors: [fs.ErrNotExist] when no folder stands there, [tree.ErrMount].
func (r *Replica) Folder(path tree.Path) (tree.SourceFolder, error) {
	if r.root == nil {
		return nil, fmt.Errorf("open %q: %w", r.path, fs.ErrNotExist)
	}
	f, err := r.openFolder(path, toList)
	if errors.Is(err, tree.ErrNoParent) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open folder %q: %w", path, err)
	}
	return &replicaFolder{f, r}, nil
}

func (f *replicaFolder) Close() error {
	f.close()
	return nil
}

// Self calls statx and flistxattr.
func (f *replicaFolder) Self() (tree.Entry, error) { return f.Look("") }

// Look calls statx, then readlinkat or listxattr.
func (f *replicaFolder) Look(name string) (tree.Entry, error) {
	e, err := f.r.entryAt(f.dir, name)
	if err != nil {
		err = fmt.Errorf("look at %q: %w", f.path.Join(name), err)
	}
	return e, err
}

// Listed is Look: the attributes of a file cost no more than those of others.
func (f *replicaFolder) Listed(name string) (tree.Entry, error) { return f.Look(name) }

// Names calls getdents64 and no more: of an entry that is no file only the name
// is told.
func (f *replicaFolder) Names(buf []tree.Entry) ([]tree.Entry, error) {
	l := listings.Get().(*listing)
	defer l.giveBack()
	if err := l.read(f.dir); err != nil {
		return nil, fmt.Errorf("list %q: %w", f.path, err)
	}
	entries := slices.Grow(buf[:0], len(l.names))
	for _, n := range l.names {
		if f.r.temps.alive(n.Name) {
			continue
		}
		e := tree.Entry{Name: n.Name}
		if n.Kind == tree.File {
			e.Kind = tree.File
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// List looks at every name. One that is gone by then is left out.
func (f *replicaFolder) List() ([]tree.Entry, error) {
	entries, err := f.Names(nil)
	if err != nil {
		return nil, err
	}
	known := entries[:0]
	for _, e := range entries {
		if e, err = f.Look(e.Name); err == nil {
			known = append(known, e)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return known, nil
}

// Open calls openat, fstat and flistxattr. Errors: [tree.ErrConflict] when no
// file stands there.
func (f *replicaFolder) Open(name string) (tree.Content, error) { return f.OpenIn(name, nil) }

// OpenIn is Open for [tree.OpenIn].
func (f *replicaFolder) OpenIn(name string, used tree.Content) (tree.Content, error) {
	c := reused(used)
	*c = content{folder: f.path}
	c.f = &c.own
	if err := openReplicaIn(c.f, &c.entry, f.dir, name); err != nil {
		return nil, fmt.Errorf("open %q: %w", f.path.Join(name), err)
	}
	return c, nil
}
