package watcher

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRootLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		lose func(t *testing.T, root, aside string)
		back func(t *testing.T, root, aside string)
	}{
		{
			name: "moved away and back",
			lose: func(t *testing.T, root, aside string) { must(t, os.Rename(root, aside)) },
			back: func(t *testing.T, root, aside string) { must(t, os.Rename(aside, root)) },
		},
		{
			name: "removed and made anew",
			lose: func(t *testing.T, root, _ string) { must(t, os.RemoveAll(root)) },
			back: func(t *testing.T, root, _ string) { grow(t, root, "a/b/") },
		},
		{
			name: "a folder above it moved",
			lose: func(t *testing.T, root, aside string) { must(t, os.Rename(filepath.Dir(root), aside)) },
			back: func(t *testing.T, root, aside string) { must(t, os.Rename(aside, filepath.Dir(root))) },
		},
		{
			name: "replaced by a link to itself",
			lose: func(t *testing.T, root, aside string) {
				must(t, os.Rename(root, aside))
				must(t, os.Symlink(aside, root))
			},
			back: func(t *testing.T, root, aside string) {
				must(t, os.Remove(root))
				must(t, os.Rename(aside, root))
			},
		},
		{
			name: "replaced by a file",
			lose: func(t *testing.T, root, aside string) {
				must(t, os.Rename(root, aside))
				must(t, os.WriteFile(root, nil, 0o644))
			},
			back: func(t *testing.T, root, aside string) {
				must(t, os.Remove(root))
				must(t, os.Rename(aside, root))
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			above := t.TempDir()
			root, aside := filepath.Join(above, "x", "root"), filepath.Join(above, "aside")
			grow(t, root, "a/b/")
			s := watch(t, root, nil)
			tt.lose(t, root, aside)
			s.wait("lost", func() bool { return s.count(RootLost) == 1 })
			if c := s.w.Coverage(); s.count(RootBack) > 0 {
				t.Errorf("back already, %+v", c)
			}
			tt.back(t, root, aside)
			s.wait("back", func() bool { return s.count(RootBack) == 1 && s.rescanned(RootReturned) })
			s.write("a/b/f")
			s.waitDirty("a/b/f")
			if n := s.count(RootLost); n != 1 {
				t.Errorf("lost %d times", n)
			}
		})
	}
}

// Another folder in its place, at once: nothing is missing at any look.
//
// Scenarios: E12.
func TestRootReplaced(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	root := filepath.Join(above, "root")
	grow(t, above, "root/a/", "other/a/c/")
	s := watch(t, root, nil)
	must(t, os.Rename(root, filepath.Join(above, "old")))
	must(t, os.Rename(filepath.Join(above, "other"), root))
	s.wait("back", func() bool { return s.rescanned(RootReturned) })
	s.forget()
	s.write("a/c/f")
	s.waitDirty("a/c/f")
	s.settle()
	s.forget()
	grow(t, above, "old/a/f")
	s.settle()
	s.never("a")
}

func TestRootMissingAtStart(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	s := launch(t, root, nil)
	s.wait("lost", func() bool { return s.count(RootLost) == 1 })
	grow(t, root, "a/")
	s.waitReady()
	s.write("a/f")
	s.waitDirty("a/f")
}
