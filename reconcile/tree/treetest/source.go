package treetest

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"lockstep/reconcile/tree"
)

// Source is a source in memory. Its methods that change it may be called
// while it is read. Safe for concurrent use.
type Source struct {
	mu    sync.Mutex
	nodes map[tree.Path]*node
	now   int64 // counts changes; is every ChangeTime and new inode number
	state error

	openErr, readErr map[tree.Path]error
}

// node is one inode. Guarded by Source.mu; content is never changed in place.
type node struct {
	entry   tree.Entry
	content string
}

var _ tree.Source = (*Source)(nil)

// ModTime is the time that entries of a [Source] bear unless told otherwise.
// Its nanoseconds are a multiple of every step but whole seconds.
var ModTime = tree.Time{Sec: 1_500_000_000, Nsec: 123_456_700}

// NewSource returns a source that holds only its root folder.
func NewSource() *Source {
	s := &Source{nodes: map[tree.Path]*node{}, openErr: map[tree.Path]error{}, readErr: map[tree.Path]error{}}
	s.Put(tree.Root, tree.Entry{Kind: tree.Folder, Mode: 0o755}, "")
	return s
}

// Put makes path the entry e with that content, as a new inode. Zero times and
// modes get defaults; size, name and identity are filled in.
func (s *Source) Put(path tree.Path, e tree.Entry, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now++
	e.ID = tree.ID{Dev: 1, Ino: uint64(s.now)}
	e.Links, e.Size = 1, int64(len(content))
	e.ChangeTime = tree.Time{Sec: s.now}
	if e.ModTime == (tree.Time{}) {
		e.ModTime = ModTime
	}
	if e.Mode == 0 {
		e.Mode = 0o644
		if e.Kind == tree.Folder {
			e.Mode = 0o755
		}
	}
	s.drop(path)
	s.nodes[path] = &node{e, content}
}

// File puts a file with default attributes.
func (s *Source) File(path tree.Path, content string) {
	s.Put(path, tree.Entry{Kind: tree.File}, content)
}

// AddFolder puts an empty folder with default attributes.
func (s *Source) AddFolder(path tree.Path) { s.Put(path, tree.Entry{Kind: tree.Folder}, "") }

// Folder opens the folder at path.
func (s *Source) Folder(path tree.Path) (tree.SourceFolder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[path]; n == nil || n.entry.Kind != tree.Folder {
		return nil, fmt.Errorf("open folder %q: %w", path, fs.ErrNotExist)
	}
	return &memoryFolder{s, path}, nil
}

// Change lets f change what stands at path, and counts it as a new version.
func (s *Source) Change(path tree.Path, f func(e *tree.Entry, content *string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[path]
	f(&n.entry, &n.content)
	s.now++
	n.entry.Size = int64(len(n.content))
	n.entry.ChangeTime = tree.Time{Sec: s.now}
}

// Link gives the file at old one more name.
func (s *Source) Link(old, path tree.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(path)
	s.nodes[path] = s.nodes[old]
	s.nodes[old].entry.Links++
}

// Remove removes path and all below it.
func (s *Source) Remove(path tree.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.nodes {
		if path.Holds(p) {
			s.drop(p)
		}
	}
	s.drop(path)
}

func (s *Source) drop(path tree.Path) {
	if n := s.nodes[path]; n != nil {
		n.entry.Links--
		delete(s.nodes, path)
	}
}

// FailOpen makes every later opening of the file at path answer err.
func (s *Source) FailOpen(path tree.Path, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openErr[path] = err
}

// FailRead makes every later reading of the file at path answer err.
func (s *Source) FailRead(path tree.Path, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readErr[path] = err
}

// FailCheck makes [Source.Check] answer err.
func (s *Source) FailCheck(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = err
}

// Entry returns the entry at path, complete; Absent when nothing stands there.
func (s *Source) Entry(path tree.Path) tree.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := tree.Entry{}
	if n := s.nodes[path]; n != nil {
		e = n.entry
	}
	e.Name = path.Name()
	return e
}

// Opener returns what [tree.Action.Open] is to be for the file at path.
func (s *Source) Opener(path tree.Path) func() (tree.Content, error) {
	return func() (tree.Content, error) {
		f, err := s.Folder(path.Parent())
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return f.Open(path.Name())
	}
}

// Check returns what FailCheck was given.
func (s *Source) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// ID identifies the root folder.
func (s *Source) ID() tree.ID { return s.Entry(tree.Root).ID }

// Close does nothing.
func (s *Source) Close() error { return nil }

type memoryFolder struct {
	s    *Source
	path tree.Path
}

func (f *memoryFolder) Close() error { return nil }

func (f *memoryFolder) Self() (tree.Entry, error) {
	e := f.s.Entry(f.path)
	e.Name = ""
	if e.Kind != tree.Folder {
		return tree.Entry{}, fs.ErrNotExist
	}
	return e, nil
}

func (f *memoryFolder) List() ([]tree.Entry, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	var entries []tree.Entry
	for p, n := range f.s.nodes {
		if p == tree.Root || p.Parent() != f.path {
			continue
		}
		e := n.entry
		e.Name = p.Name()
		if e.Kind == tree.File {
			e.Xattrs = nil
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

func (f *memoryFolder) Names([]tree.Entry) ([]tree.Entry, error) {
	entries, err := f.List()
	for i, e := range entries {
		if e.Kind == tree.File {
			entries[i] = tree.Entry{Name: e.Name, Kind: e.Kind}
		}
	}
	return entries, err
}

func (f *memoryFolder) Look(name string) (tree.Entry, error) {
	e := f.s.Entry(f.path.Join(name))
	if e.Kind == tree.Absent {
		return tree.Entry{}, fmt.Errorf("look at %q: %w", name, fs.ErrNotExist)
	}
	return e, nil
}

func (f *memoryFolder) Listed(name string) (tree.Entry, error) {
	e, err := f.Look(name)
	if e.Kind == tree.File {
		e.Xattrs = nil
	}
	return e, err
}

func (f *memoryFolder) Open(name string) (tree.Content, error) {
	path := f.path.Join(name)
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	n := f.s.nodes[path]
	switch {
	case f.s.openErr[path] != nil:
		return nil, fmt.Errorf("open %q: %w", path, f.s.openErr[path])
	case n == nil:
		return nil, fmt.Errorf("open %q: %w", path, fs.ErrNotExist)
	case n.entry.Kind != tree.File:
		return nil, fmt.Errorf("open %q: %w", path, tree.ErrChanged)
	}
	e := n.entry
	e.Name = name
	return &memoryContent{f.s, path, n, e}, nil
}

// memoryContent reads the node that it opened, as it is at the moment.
type memoryContent struct {
	s     *Source
	path  tree.Path
	n     *node
	entry tree.Entry
}

func (c *memoryContent) Entry() tree.Entry { return c.entry }
func (c *memoryContent) Close() error      { return nil }

func (c *memoryContent) ReadAt(p []byte, offset int64) (int, error) {
	c.s.mu.Lock()
	content, err := c.n.content, c.s.readErr[c.path]
	c.s.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", c.path, err)
	}
	return strings.NewReader(content).ReadAt(p, offset)
}

// Data leaves out pages of zeros at the start, so that holes occur.
func (c *memoryContent) Data(offset int64) (start, end int64, err error) {
	c.s.mu.Lock()
	content := c.n.content
	c.s.mu.Unlock()
	const page = 4096
	zeros := strings.Repeat("\x00", page)
	for start = offset; start < int64(len(content)); start = (start/page + 1) * page {
		rest := content[start:min(int64(len(content)), (start/page+1)*page)]
		if rest != zeros[:len(rest)] {
			return start, int64(len(content)), nil
		}
	}
	return 0, 0, io.EOF
}

func (c *memoryContent) Changed() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	now := c.n.entry
	now.Name = c.entry.Name
	if !now.Same(c.entry) {
		return fmt.Errorf("read %q: %w", c.path, tree.ErrChanged)
	}
	return nil
}
