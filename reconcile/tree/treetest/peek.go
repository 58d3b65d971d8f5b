package treetest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// Peek is the folder of this machine behind a replica under test, by its path.
// It is looked at and tampered with past the replica, by package os alone.
type Peek string

// At returns the path on this machine of p.
func (k Peek) At(p tree.Path) string { return filepath.Join(string(k), filepath.FromSlash(string(p))) }

// Tree describes every entry below the root, by path: kind, mode, time and
// content. Folders go without their time, which every work in them changes.
func (k Peek) Tree(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(string(k), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == string(k) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(string(k), path)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(name)], err = describe(path, info)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func describe(path string, info fs.FileInfo) (string, error) {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return mode.String(), nil
	case mode&fs.ModeSymlink != 0:
		text, err := os.Readlink(path)
		return fmt.Sprintf("symlink %q %d", text, info.ModTime().UnixNano()), err
	case mode.IsRegular():
		content, err := os.ReadFile(path)
		if len(content) > 100 {
			content = fmt.Appendf(content[:50:50], "... %d bytes, %v", len(content), tree.HashContent(content))
		}
		return fmt.Sprintf("%v %q %d", mode, content, info.ModTime().UnixNano()), err
	default:
		return fmt.Sprintf("%v %d", mode, info.ModTime().UnixNano()), nil
	}
}

// Want fails t unless the entries below the root are those of want, which
// [Peek.Tree] or [Describe] made.
func (k Peek) Want(t *testing.T, want map[string]string) {
	t.Helper()
	have := k.Tree(t)
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if have[path] != want[path] {
			t.Errorf("at %q stands %s\nwant %s", path, or(have[path], "nothing"), want[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[path]; !ok {
			t.Errorf("additional at %q: %s", path, have[path])
		}
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// Describe tells s as [Peek.Tree] tells a replica that is equal to it.
func (s *Source) Describe() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := map[string]string{}
	for path, n := range s.nodes {
		e := n.entry
		mode := fs.FileMode(e.Mode & 0o777)
		stamp := e.ModTime.Time().UnixNano()
		switch {
		case path == tree.Root || e.Kind == tree.Socket:
		case e.Kind == tree.Folder:
			told[string(path)] = (mode | fs.ModeDir).String()
		case e.Kind == tree.Symlink:
			told[string(path)] = fmt.Sprintf("symlink %q %d", e.Link, stamp)
		case e.Kind == tree.FIFO:
			told[string(path)] = fmt.Sprintf("%v %d", mode|fs.ModeNamedPipe, stamp)
		case e.Kind == tree.File:
			content := n.content
			if len(content) > 100 {
				content = fmt.Sprintf("%s... %d bytes, %v", content[:50], len(content), tree.HashContent([]byte(content)))
			}
			told[string(path)] = fmt.Sprintf("%v %q %d", mode, content, stamp)
		}
	}
	return told
}

// Write puts a file into the replica past the replica.
func (k Peek) Write(t *testing.T, p tree.Path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(k.At(p)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.At(p), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// noTemps fails t when something is left that nobody asked for.
func noTemps(t *testing.T, have map[string]string) {
	t.Helper()
	for path := range have {
		if strings.Contains(path, "lockstep") {
			t.Errorf("left behind: %q", path)
		}
	}
}
