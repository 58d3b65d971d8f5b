package watcher

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// Scenarios: E3.
func TestWatchLimit(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range 40 {
		grow(t, root, "d"+strconv.Itoa(i)+"/sub/f")
	}
	var free atomic.Int64
	free.Store(30)
	s := watch(t, root, func(w *Watcher) {
		begin(w, func(string) error {
			if free.Add(-1) < 0 {
				return syscall.ENOSPC
			}
			return nil
		})
	})
	if c := s.w.Coverage(); c.Watched != 30 || c.Polled != 51 {
		t.Errorf("%+v, want 30 watched and 51 polled", c)
	}
	n := s.notice(WatchLimit)
	if n.Need < 81 || n.Limit == 0 || !strings.HasPrefix(n.Remedy, "sudo sysctl fs.inotify.max_user_watches=") {
		t.Errorf("notice %+v", n)
	}
	for i := range 40 {
		s.write("d" + strconv.Itoa(i) + "/sub/f")
		s.write("d" + strconv.Itoa(i) + "/sub/g")
		s.waitDirty("d"+strconv.Itoa(i)+"/sub/f", "d"+strconv.Itoa(i)+"/sub/g")
	}
	s.forget()
	for i := range 40 {
		must(t, os.Remove(s.path("d"+strconv.Itoa(i)+"/sub/g")))
		s.waitDirty("d" + strconv.Itoa(i) + "/sub/g")
	}
	s.never("d0/sub/f", "d39/sub/f") // exact: the neighbours are left alone
	free.Store(1000)
	for i := range 30 { // gives watches back
		must(t, os.RemoveAll(s.path("d"+strconv.Itoa(i))))
	}
	s.wait("all watched", func() bool { c := s.w.Coverage(); return c.Polled == 0 && c.Watched == 21 })
	s.forget()
	s.write("d39/sub/f")
	s.waitDirty("d39/sub/f")
	if len(s.polled) > 0 {
		t.Errorf("polled %q, though all is watched", s.polled)
	}
	if n := s.count(WatchLimit); n > 0 {
		t.Error("told again")
	}
}

// Scenarios: E4.
func TestInstanceLimit(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	grow(t, root, "a/b/f", "a/keep", "gone/x/f")
	s := watch(t, root, func(w *Watcher) {
		w.open = func() (backend, error) { return nil, syscall.EMFILE }
	})
	n := s.notice(InstanceLimit)
	if !errors.Is(n.Err, syscall.EMFILE) || !strings.HasPrefix(n.Remedy, "sudo sysctl fs.inotify.max_user_instances=") {
		t.Errorf("notice %+v", n)
	}
	s.write("a/b/f")
	s.write("new")
	grow(t, root, "deep/er/f")
	must(t, os.RemoveAll(s.path("gone")))
	must(t, os.Chmod(root, 0o700))
	s.waitDirty("a/b/f", "new", "deep", "deep/er", "deep/er/f", "gone", "")
	s.never("a/keep")
	s.forget()
	s.write("deep/er/f")
	s.rename("deep/er", "a/er")
	s.waitDirty("deep/er", "a/er", "a/er/f")
	s.forget()
	s.write("a/er/g")
	s.waitDirty("a/er/g")
	s.never("deep/er/f", "deep/er/g")
	if len(s.dirty) > 0 {
		t.Errorf("watched %q, though nothing is", s.dirty)
	}
}

// Scenarios: E20.
func TestRemote(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/f", "a/b/f")
	s := watch(t, root, func(w *Watcher) { w.remote = func(*handle) string { return "nfs" } })
	if c := s.w.Coverage(); c.Polled != 3 {
		t.Errorf("%+v, want all polled", c)
	}
	if n := s.notice(Remote); n.Path != "" || !strings.Contains(n.Detail, "nfs") || s.count(Remote) != 1 {
		t.Errorf("notice %+v, told %d times", n, s.count(Remote))
	}
	s.write("a/b/f")
	s.waitDirty("a/b/f")
	s.never("a/f")
}

func TestUnwatchable(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/f", "b/f", "c/f")
	s := watch(t, root, func(w *Watcher) {
		begin(w, func(name string) error {
			if base := filepath.Base(name); base == "a" || base == "b" {
				return syscall.EACCES
			}
			return nil
		})
	})
	if c := s.w.Coverage(); c.Polled != 2 || c.Watched != 2 || s.count(Unwatchable) != 1 {
		t.Errorf("%+v, told %d times", c, s.count(Unwatchable))
	}
	s.write("a/f")
	s.write("c/f")
	s.waitDirty("a/f", "c/f")
}

// Everything happens while events are lost; then all of it must be watched, and nothing else.
//
// Scenarios: E1.
func TestOverflow(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	grow(t, root, "gone/x/", "moved/sub/", "stays/sub/", "recreated/f")
	var made <-chan *faulty
	s := watch(t, root, func(w *Watcher) { made = begin(w, nil) })
	b := <-made

	b.gate.Lock() // the queue of the system fills up
	must(t, os.RemoveAll(s.path("gone")))
	s.rename("moved", "here")
	grow(t, root, "new/deep/er/")
	must(t, os.RemoveAll(s.path("recreated")))
	s.mkdir("recreated")
	queue := readLimit(limitsFolder+"max_queued_events") + 1000
	for i := range queue {
		must(t, os.Chmod(s.path("stays"), 0o700+os.FileMode(i%2)))
		must(t, os.Chmod(s.path("here"), 0o700+os.FileMode(i%2)))
	}
	for i := range 10 { // lost
		grow(t, root, "lost"+strconv.Itoa(i)+"/sub/")
	}
	must(t, os.RemoveAll(s.path("stays/sub")))
	s.mkdir("stays/sub")
	b.gate.Unlock()

	s.wait("a pass", func() bool { return s.rescanned(Overflow) })
	s.settle()
	s.forget()
	want := []string{"here/sub/f", "new/deep/er/f", "recreated/f", "stays/sub/f", "lost0/sub/f", "lost9/sub/f"}
	for _, path := range want {
		s.write(path)
	}
	s.waitDirty(want...)
	s.settle()
	s.never("gone", "moved")
	if c := s.w.Coverage(); c.Watched != 1+2+3+1+2+20 || c.Polled != 0 {
		t.Errorf("%+v, want 29 watched", c)
	}
}

func TestLostEventsWithReusedNumber(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/sub/", "b/")
	var made <-chan *faulty
	s := watch(t, root, func(w *Watcher) { made = begin(w, nil) })
	b := <-made
	for range 20 {
		b.gate.Lock()
		must(t, os.RemoveAll(s.path("a")))
		s.mkdir("b/sub") // may have the number of a or a/sub
		s.mkdir("a/sub")
		b.gate.Unlock()
		b.errs <- fsnotify.ErrEventOverflow
		s.settle()
		s.write("a/sub/f")
		s.write("b/sub/f")
		s.waitDirty("a/sub/f", "b/sub/f")
		must(t, os.RemoveAll(s.path("b/sub")))
		s.settle()
		s.forget()
	}
}

// Scenarios: E22.
func TestWatcherDied(t *testing.T) {
	for name, kill := range map[string]func(*faulty){
		"closed":     func(b *faulty) { b.backend.Close() },
		"read error": func(b *faulty) { b.errs <- syscall.EIO },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			grow(t, root, "a/b/")
			var made <-chan *faulty
			s := watch(t, root, func(w *Watcher) { made = begin(w, nil) })
			kill(<-made)
			s.wait("a pass", func() bool { return s.rescanned(Rebuilt) })
			s.write("a/b/f")
			s.waitDirty("a/b/f")
		})
	}
}

// Errors that mean nothing are not answered.
func TestHarmlessErrors(t *testing.T) {
	var made <-chan *faulty
	s := watch(t, t.TempDir(), func(w *Watcher) { made = begin(w, nil) })
	b := <-made
	b.errs <- syscall.EINVAL
	b.errs <- fsnotify.ErrNonExistentWatch
	s.settle()
	if len(s.rescans) > 0 || !slices.Equal(s.all(), []string{"mark-1"}) {
		t.Errorf("rescans %v, dirty %q", s.rescans, s.all())
	}
}

// Lost events at the limit do not cost the folders that have a watch theirs.
func TestOverflowAtWatchLimit(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/", "b/", "c/", "d/")
	var made <-chan *faulty
	seen := make(map[string]bool)
	s := watch(t, root, func(w *Watcher) {
		made = begin(w, func(name string) error {
			if len(seen) == 3 && !seen[name] {
				return syscall.ENOSPC
			}
			seen[name] = true
			return nil
		})
	})
	b := <-made
	b.errs <- fsnotify.ErrEventOverflow
	s.wait("a pass", func() bool { return s.rescanned(Overflow) })
	if c := s.w.Coverage(); c.Watched != 3 || c.Polled != 2 {
		t.Errorf("%+v, want 3 watched and 2 polled", c)
	}
}

// What comes and goes between two looks at a folder leaves its trace in the folder, which is reported: a pass may have
// brought it over in between.
//
// Scenarios: E3.
func TestPolledFolderIsReportedItself(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/b/f", "a/c/f")
	s := watch(t, root, func(w *Watcher) {
		begin(w, func(name string) error {
			if strings.HasPrefix(name, filepath.Join(root, "a")+"/") {
				return syscall.ENOSPC
			}
			return nil
		})
	})
	s.write("a/b/new")
	must(t, os.Remove(s.path("a/b/new")))
	s.waitDirty("a/b")
	s.never("a/c")
}
