package watcher

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Scenarios: F9.
func TestExchange(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/sub/deep/", "b/sub/other/", "f")
	s := watch(t, root, nil)
	exchange := func(a, b string) {
		t.Helper()
		must(t, unix.Renameat2(unix.AT_FDCWD, s.path(a), unix.AT_FDCWD, s.path(b), unix.RENAME_EXCHANGE))
	}

	exchange("a", "b")
	s.write("a/sub/other/x")
	s.write("b/sub/deep/y")
	s.waitDirty("a", "b", "a/sub/other/x", "b/sub/deep/y")
	s.settle()
	s.forget()
	s.write("a/sub/x")
	s.write("b/sub/y")
	s.write("a/sub/other/z")
	s.waitDirty("a/sub/x", "b/sub/y", "a/sub/other/z")
	s.settle()
	s.never("b/sub/x", "a/sub/y", "b/sub/other", "a/sub/deep")

	s.forget()
	exchange("a", "f") // a folder and a file
	s.write("f/sub/w")
	s.waitDirty("a", "f", "f/sub/w")
	s.settle()
	s.forget()
	s.write("f/sub/other/v")
	s.waitDirty("f/sub/other/v")
	s.settle()
	s.never("a")

	for range 201 {
		exchange("f", "b")
	}
	s.settle()
	s.forget()
	s.write("b/sub/other/last")
	s.waitDirty("b/sub/other/last")
	s.settle()
	s.never("f/sub/other", "a")
}

func TestRenameOverEmptyFolder(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/sub/deep/", "empty/")
	s := watch(t, root, nil)
	must(t, unix.Rename(s.path("a"), s.path("empty"))) // os.Rename refuses
	s.write("empty/sub/deep/f")
	s.waitDirty("a", "empty", "empty/sub", "empty/sub/deep", "empty/sub/deep/f")
	s.settle()
	s.forget()
	s.write("empty/sub/f")
	s.waitDirty("empty/sub/f")
	s.settle()
	s.never("a")
	if c := s.w.Coverage(); c.Watched != 4 {
		t.Errorf("%d folders watched, want 4", c.Watched)
	}
}
