package local

import (
	"errors"
	"fmt"
	"io/fs"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// Source is a folder on this machine, read as a source. Nothing of it writes:
// of the handles that it opens it calls only what reads. It implements
// [tree.Source].
//
// No handle is kept between calls: a file system that somebody holds open
// cannot be unmounted, and a mirror that rests must not stand in the way.
type Source struct {
	// Set by OpenSource: where the root is looked for, and who stood there.
	path  string
	start at.Identity
	id    tree.ID
}

var _ tree.Source = (*Source)(nil)

// OpenSource looks at the folder at path, to be read as a source. Symlinks in
// the path are followed, and should they later lead elsewhere, [Source.Check]
// says so. Errors: [fs.ErrNotExist], [at.ErrNotFolder].
func OpenSource(path string) (*Source, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	s := &Source{path: path}
	if s.start, s.id, err = identify(path); err != nil {
		return nil, fmt.Errorf("open source %q: %w", path, err)
	}
	return s, nil
}

// identify opens the folder at path (openat) and says who it is (statx,
// statfs).
func identify(path string) (at.Identity, tree.ID, error) {
	root, err := at.Open(path)
	if err != nil {
		return at.Identity{}, tree.ID{}, err
	}
	defer root.Close()
	identity, err := root.Identity()
	if err != nil {
		return at.Identity{}, tree.ID{}, err
	}
	self, err := root.Self()
	return identity, self.ID, err
}

// Check opens the root's path anew and compares who stands there with who
// stood there at the start. Errors: [tree.ErrSourceMissing], also when it is
// not known what stands there; [tree.ErrSourceReplaced].
func (s *Source) Check() error {
	identity, _, err := identify(s.path)
	if err != nil {
		return s.rootless(err)
	}
	if identity != s.start {
		return fmt.Errorf("%w: %q", tree.ErrSourceReplaced, s.path)
	}
	return nil
}

// ID identifies the root folder as it was at the start.
func (s *Source) ID() tree.ID { return s.id }

// Close releases what Source holds, which is nothing.
func (s *Source) Close() error { return nil }

// Folder opens the folder at path below whatever folder the root's path leads
// to now; what is mounted below the root belongs to the source. Errors:
// [tree.ErrSourceMissing] when there is no root; [fs.ErrNotExist] when no
// folder stands at path for certain, for nothing does or the way leads through
// something else.
func (s *Source) Folder(path tree.Path) (tree.SourceFolder, error) {
	if d := at.OpenStraight(s.path, path); d != nil {
		return &sourceFolder{d: d, path: path}, nil
	}
	root, err := at.Open(s.path)
	if err != nil {
		return nil, s.rootless(err)
	}
	defer root.Close()
	d, err := root.Sub(path, at.CrossMounts)
	if err == nil {
		return &sourceFolder{d: d, path: path}, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, at.ErrNotFolder):
		if e := rootGone(root); e != nil {
			return nil, e
		}
		if !errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
	}
	if path == tree.Root {
		return nil, fmt.Errorf("open the source %q: %w", s.path, err)
	}
	return nil, fmt.Errorf("open folder %q: %w", path, err)
}

// rootless returns the error for a root that cannot be opened. Its cause is
// told and no more: that the root does not exist must never be taken for
// something that is gone from the source.
func (s *Source) rootless(err error) error {
	if at.Exhausted(err) {
		return fmt.Errorf("open source %q: %w", s.path, err)
	}
	return fmt.Errorf("%w: %q: %v", tree.ErrSourceMissing, s.path, err)
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
