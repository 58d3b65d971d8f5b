package watcher

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A tree is turned upside down in random ways. When it has come to rest, each folder in it is watched under its present
// name, nothing else is, and nothing that happened is left unreported.
//
// Scenarios: E23.
func TestChaos(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			root, outside := t.TempDir(), t.TempDir()
			grow(t, root, "a/b/c/d/", "e/f/", "g/")
			s := watch(t, root, nil)
			c := chaos{rng: rand.New(rand.NewPCG(seed, 1)), root: root, outside: outside}
			for round := range 3 {
				for range 100 {
					c.step()
				}
				s.settle()
				folders := c.folders()
				s.wait("all folders watched", func() bool { return s.w.Coverage().Watched == len(folders) })
				for _, folder := range folders { // every one was reported since the round before, or was there then
					if folder != "" && round == 0 && !slices.Contains([]string{"a", "a/b", "a/b/c", "a/b/c/d", "e", "e/f", "g"}, folder) {
						s.waitDirty(folder)
					}
				}
				s.settle()
				s.forget()
				var want []string
				for _, folder := range folders {
					s.write(join(folder, "probe"))
					want = append(want, join(folder, "probe"))
				}
				s.waitDirty(want...)
				s.settle()
				s.mu.Lock()
				for _, got := range s.dirty {
					if filepath.Base(got) == "probe" && !slices.Contains(want, got) {
						t.Errorf("reported %q, a stale name", got)
					}
				}
				s.mu.Unlock()
			}
		})
	}
}

// chaos does random things below root. Steps that cannot be done are left out.
type chaos struct {
	rng           *rand.Rand
	root, outside string
	names         int
}

func (c *chaos) folders() (paths []string) {
	filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			rel, _ := filepath.Rel(c.root, path)
			paths = append(paths, filepath.ToSlash(rel))
		}
		return nil
	})
	paths[0] = ""
	return paths
}

// any returns a random folder; the root with less than the usual chance, and some name in it.
func (c *chaos) any() (folder, fresh string) {
	all := c.folders()
	folder = filepath.Join(c.root, all[c.rng.IntN(len(all))])
	c.names++
	return folder, filepath.Join(folder, fmt.Sprintf("n%d", c.rng.IntN(6)))
}

func (c *chaos) step() {
	a, fresh := c.any()
	b, other := c.any()
	switch c.rng.IntN(10) {
	case 0, 1, 2:
		os.MkdirAll(filepath.Join(fresh, "deep"), 0o755)
	case 3, 4:
		if a != c.root {
			unix.Rename(a, other) // also over an empty folder
		}
	case 5:
		if a != c.root && b != c.root {
			unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
		}
	case 6:
		if a != c.root && c.rng.IntN(3) == 0 {
			os.RemoveAll(a)
		}
	case 7:
		if a != c.root {
			os.Rename(a, filepath.Join(c.outside, fmt.Sprint(c.names)))
		}
	case 8:
		os.Rename(filepath.Join(c.outside, fmt.Sprint(c.names-c.rng.IntN(20))), fresh)
	case 9:
		if os.Symlink(b, fresh) == nil && c.rng.IntN(2) == 0 {
			os.Remove(fresh)
		}
	}
}

// Nothing stays watched that is not in the tree: asked of the kernel. Not parallel, so there is one watcher only.
func TestNoWatchLeaks(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	grow(t, root, "a/b/c/d/", "e/f/", "g/")
	s := watch(t, root, func(w *Watcher) { w.heed = deaf }) // which has watches of its own
	c := chaos{rng: rand.New(rand.NewPCG(7, 7)), root: root, outside: outside}
	for range 500 {
		c.step()
	}
	want := len(c.folders())
	s.wait(fmt.Sprintf("%d watches", want), func() bool { return s.w.Coverage().Watched == want && kernelWatches(t) == want })
}

// kernelWatches counts the inotify watches of this process: see proc_pid_fdinfo(5).
func kernelWatches(t *testing.T) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	must(t, err)
	for _, file := range files {
		text, _ := os.ReadFile(file) // some are closed by now
		n += strings.Count(string(text), "inotify wd:")
	}
	return n
}
