package local

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// Source is a folder on this machine, read as a source. Nothing of it writes:
// of the handles that it holds it calls only what reads. It implements
// [tree.Source].
type Source struct {
	// Set by OpenSource: where the root is looked for, and who stood there.
	path  string
	start at.Identity

	// Guarded by mu: the folder that is read, by now another handle than at
	// the start and, once Check has said so, maybe another folder.
	mu   sync.RWMutex
	root *at.Dir
	id   tree.ID
}

var _ tree.Source = (*Source)(nil)

// OpenSource opens the folder at path as a source. Symlinks in the path are
// followed, and should they later lead elsewhere, [Source.Check] says so. The
// caller closes it. Errors: [fs.ErrNotExist], [at.ErrNotFolder].
func OpenSource(path string) (*Source, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	s := &Source{path: path}
	if s.root, s.start, s.id, err = openSourceRoot(path); err != nil {
		return nil, fmt.Errorf("open source %q: %w", path, err)
	}
	return s, nil
}

func openSourceRoot(path string) (*at.Dir, at.Identity, tree.ID, error) {
	root, err := at.Open(path)
	if err != nil {
		return nil, at.Identity{}, tree.ID{}, err
	}
	identity, err := root.Identity()
	if err == nil {
		var self tree.Entry
		if self, err = root.Self(); err == nil {
			return root, identity, self.ID, nil
		}
	}
	root.Close()
	return nil, at.Identity{}, tree.ID{}, err
}

// Check opens the root's path anew, compares who stands there with who stood
// there at the start, and reads on from there: the same file system may have
// been mounted once more, and what the old handle shows then is the past.
// Errors: [tree.ErrSourceMissing], also when it is not known what stands
// there; [tree.ErrSourceReplaced].
func (s *Source) Check() error {
	root, identity, id, err := openSourceRoot(s.path)
	if err != nil {
		return fmt.Errorf("%w: %q: %w", tree.ErrSourceMissing, s.path, err)
	}
	s.mu.Lock()
	old := s.root
	if old == nil { // closed meanwhile
		old = root
	} else {
		s.root, s.id = root, id
	}
	s.mu.Unlock()
	old.Close()
	if identity != s.start {
		return fmt.Errorf("%w: %q", tree.ErrSourceReplaced, s.path)
	}
	return nil
}

// ID identifies the root folder.
func (s *Source) ID() tree.ID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.id
}

// Close releases the root. Open folders stay usable.
func (s *Source) Close() error {
	s.mu.Lock()
	root := s.root
	s.root = nil
	s.mu.Unlock()
	if root == nil {
		return nil
	}
	return root.Close()
}

// Folder opens the folder at path; what is mounted below the root belongs to
// the source. Errors: [tree.ErrSourceMissing] when the root itself was
// removed; [fs.ErrNotExist] when no folder stands at path for certain, for
// nothing does or the way leads through something else.
func (s *Source) Folder(path tree.Path) (tree.SourceFolder, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.root == nil {
		return nil, fmt.Errorf("open folder %q: %w", path, fs.ErrClosed)
	}
	d, err := s.root.Sub(path, at.CrossMounts)
	if err == nil {
		return &sourceFolder{d: d, path: path}, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, at.ErrNotFolder):
		if e := rootGone(s.root); e != nil {
			return nil, e
		}
		if !errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
	}
	return nil, fmt.Errorf("open folder %q: %w", path, err)
}

// rootGone tells whether root was removed from its file system. Everything in
// it is gone then, too, and none of that may be taken for a change made to the
// source.
func rootGone(root *at.Dir) error {
	self, err := root.Self()
	if err != nil {
		return fmt.Errorf("%w: %w", tree.ErrSourceMissing, err)
	}
	if self.Links == 0 {
		return fmt.Errorf("%w: its folder was removed", tree.ErrSourceMissing)
	}
	return nil
}
