package reconcile

import (
	"errors"
	"io/fs"
	"sync"

	"lockstep/reconcile/tree"
)

// errFolderGone: the source has not even the folder that held the path.
var errFolderGone = errors.New("folder is gone")

// folders keeps the source's folder that was used last open: paths come
// folder by folder, and one descriptor is enough. Safe for concurrent use.
type folders struct {
	source tree.Source

	mu   sync.Mutex
	path tree.Path
	open tree.SourceFolder
}

// in calls do with the folder at path. The caller holds mu.
func (f *folders) in(path tree.Path, do func(tree.SourceFolder) error) error {
	if f.open == nil || f.path != path {
		folder, err := f.source.Folder(path)
		if errors.Is(err, fs.ErrNotExist) {
			return errFolderGone
		}
		if err != nil {
			return err
		}
		if f.open != nil {
			f.open.Close()
		}
		f.path, f.open = path, folder
	}
	return do(f.open)
}

// look returns a fresh entry of the source. Errors: errFolderGone,
// [fs.ErrNotExist]; everything else means "not known".
func (f *folders) look(path tree.Path) (e tree.Entry, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if path == tree.Root {
		err = f.in(path, func(folder tree.SourceFolder) (err error) {
			e, err = folder.Self()
			return err
		})
		return e, err
	}
	err = f.in(path.Parent(), func(folder tree.SourceFolder) (err error) {
		e, err = folder.Look(path.Name())
		return err
	})
	return e, err
}

// opener returns the function that opens the file at path.
func (f *folders) opener(path tree.Path) func() (tree.Content, error) {
	return func() (c tree.Content, err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		err = f.in(path.Parent(), func(folder tree.SourceFolder) (err error) {
			c, err = folder.Open(path.Name())
			return err
		})
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errFolderGone) {
			return nil, tree.ErrChanged
		}
		return c, err
	}
}

func (f *folders) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}
