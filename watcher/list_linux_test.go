package watcher

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a folder costs to watch does not grow with the files in it.
func TestListingAllocatesNothing(t *testing.T) {
	root := t.TempDir()
	for i := range 1000 {
		grow(t, root, fmt.Sprintf("file-%d", i))
	}
	_, h := opened(t, root)
	buffer, entries := make([]byte, listBytes), 0
	allocations := testing.AllocsPerRun(10, func() {
		if h.rewind() != nil || h.list(buffer, func([]byte, bool) { entries++ }) != nil {
			t.Error("not listed")
		}
	})
	if entries != 11*1000 || allocations > 10 {
		t.Errorf("%d entries in 11 turns, %v allocations in each", entries, allocations)
	}
}

// A folder that goes while it is listed is no trouble, and not told as one.
func TestFolderGoesWhileListed(t *testing.T) {
	root, s := t.TempDir(), newRecorder()
	grow(t, root, "d/")
	p, _ := opened(t, root)
	h, err := p.open("d")
	must(t, err)
	defer h.close()
	r := newRun(New(root, Defaults()), s)
	f := &folder{path: "d", id: h.attr.id}
	r.tree.insert(&folder{})
	r.tree.insert(f)
	must(t, os.Remove(filepath.Join(root, "d")))
	r.list(f, h, item{path: "d"})
	if n := s.count(Unwatchable); n > 0 || len(r.later) != 1 {
		t.Errorf("%d notices, %d to be tried again", n, len(r.later))
	}
}

// A walk leaves out the listing of a folder whose link count says that no folder is in it.
func TestLinkCountTellsFolders(t *testing.T) {
	roots := []string{t.TempDir()}
	if memory := t.TempDir(); unix.Mount("tmpfs", memory, "tmpfs", 0, "size=1m") == nil {
		t.Cleanup(func() { unix.Unmount(memory, unix.MNT_DETACH) })
		roots = append(roots, memory)
	}
	for _, root := range roots {
		p, h := opened(t, root)
		if !h.countsFolders() {
			t.Logf("%s: not counted", root)
			continue
		}
		in := func(name string) string { return filepath.Join(root, name) }
		for _, step := range []struct {
			does string
			do   func() error
		}{
			{"make a file", func() error { return os.WriteFile(in("file"), nil, 0o600) }},
			{"make a folder", func() error { return os.Mkdir(in("a"), 0o700) }},
			{"make one in it", func() error { return os.Mkdir(in("a/b"), 0o700) }},
			{"link a folder", func() error { return os.Symlink("a", in("link")) }},
			{"move one up", func() error { return os.Rename(in("a/b"), in("b")) }},
			{"put one over another", func() error { return unix.Rename(in("a"), in("b")) }},
			{"move one down", func() error { return errors.Join(os.Mkdir(in("c"), 0o700), os.Rename(in("b"), in("c/b"))) }},
			{"remove all", func() error { return os.RemoveAll(in("c")) }},
		} {
			must(t, step.do())
			folders := uint64(0)
			must(t, h.rewind())
			must(t, h.list(make([]byte, listBytes), func(_ []byte, folder bool) {
				if folder {
					folders++
				}
			}))
			a, err := p.stat("")
			must(t, err)
			if a.links != linksOfLeaf+folders {
				t.Errorf("%s: after %q, %d links and %d folders", root, step.does, a.links, folders)
			}
		}
	}
}
