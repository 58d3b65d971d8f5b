package watcher

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Nothing wakes a watcher that is ready, for as long as nothing happens.
//
// Scenarios: E15.
func TestIdleRests(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/f", "b/")
	w := New(root, Defaults())
	w.heed = func(root string, _ func()) (*surroundings, error) {
		return heed(root, func() {}) // others may mount meanwhile
	}
	r := newRun(w, newRecorder())
	defer r.closeBackend()
	defer r.table.close()
	defer r.ignore()
	defer r.leave()
	for !r.ready {
		r.turn()
	}
	r.turn()
	if rest := r.rest(); rest < rarely-patience {
		t.Errorf("rests for %v", rest)
	}
}

// A way to the root that is not heard is looked at all the time.
func TestRootBehindLink(t *testing.T) {
	above := t.TempDir()
	grow(t, above, "x/root/a/", "y/root/b/")
	link := filepath.Join(above, "link")
	must(t, os.Symlink("x", link))
	s := watch(t, filepath.Join(link, "root"), nil)
	must(t, os.Symlink("y", link+"2"))
	must(t, os.Rename(link+"2", link))
	s.wait("back", func() bool { return s.rescanned(RootReturned) })
	s.write("b/f")
	s.waitDirty("b/f")
}

func TestHeed(t *testing.T) {
	above := t.TempDir()
	root := filepath.Join(above, "x", "y", "root")
	grow(t, root, "a/")
	told := make(chan struct{}, 1)
	s, err := heed(root, func() { tell(told) })
	must(t, err)
	defer s.close()
	drained := func() {
		select {
		case <-told:
		default:
		}
	}
	heard := func(what string) {
		t.Helper()
		select {
		case <-told:
		case <-time.After(patience):
			t.Errorf("%s is not heard", what)
		}
	}
	grow(t, above, "x/y/z/", "x/f", "w")
	if drained(); s.stale() {
		t.Error("what happens beside the way to the root is heeded")
	}
	must(t, os.Rename(filepath.Join(above, "x"), filepath.Join(above, "v")))
	for !s.stale() && !t.Failed() { // others may mount meanwhile
		heard("a folder that moved")
	}
	drained()
	needMounts(t)
	heard("a mount")
}

func TestHeedRefusesLinks(t *testing.T) {
	above := t.TempDir()
	grow(t, above, "x/root/")
	must(t, os.Symlink("x", filepath.Join(above, "link")))
	if s, err := heed(filepath.Join(above, "link", "root"), func() {}); err == nil {
		s.close()
		t.Error("a link above the root is heeded")
	}
}
