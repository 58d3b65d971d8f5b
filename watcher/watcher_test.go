package watcher

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDirtyAfter(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*scene)
		want []string
	}{
		{"create file", func(s *scene) { s.write("new") }, []string{"new"}},
		{"write below", func(s *scene) { s.write("a/b/f") }, []string{"a/b/f"}},
		{"remove file", func(s *scene) { must(s.t, os.Remove(s.path("a/f"))) }, []string{"a/f"}},
		{"remove tree", func(s *scene) { must(s.t, os.RemoveAll(s.path("a"))) }, []string{"a"}},
		{"chmod file", func(s *scene) { must(s.t, os.Chmod(s.path("a/f"), 0o600)) }, []string{"a/f"}},
		{"chmod folder", func(s *scene) { must(s.t, os.Chmod(s.path("a"), 0o700)) }, []string{"a"}},
		{"chmod root", func(s *scene) { must(s.t, os.Chmod(s.root, 0o700)) }, []string{""}},
		{"times", func(s *scene) { must(s.t, os.Chtimes(s.path("a/f"), time.Unix(1, 0), time.Unix(1, 0))) }, []string{"a/f"}},
		{"rename file", func(s *scene) { s.rename("a/f", "a/g") }, []string{"a/f", "a/g"}},
		{"deep folder", func(s *scene) { s.mkdir("x/y/z"); s.write("x/y/z/f") }, []string{"x", "x/y", "x/y/z", "x/y/z/f"}},
		{"link", func(s *scene) { must(s.t, os.Symlink("a", s.path("l"))) }, []string{"l"}},
		{"file to folder", func(s *scene) { must(s.t, os.Remove(s.path("a/f"))); s.mkdir("a/f"); s.write("a/f/x") }, []string{"a/f", "a/f/x"}},
		{"folder to file", func(s *scene) { must(s.t, os.RemoveAll(s.path("a/b"))); s.write("a/b") }, []string{"a/b"}},
		{"names", func(s *scene) { s.mkdir("n\n\xff"); s.write("n\n\xff/ *\\\x1b") }, []string{"n\n\xff", "n\n\xff/ *\\\x1b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			grow(t, root, "a/f", "a/b/")
			s := watch(t, root, nil)
			tt.do(s)
			s.waitDirty(tt.want...)
		})
	}
}

func TestRecreatedFolderIsWatchedAgain(t *testing.T) {
	s := watch(t, t.TempDir(), nil)
	for range 200 { // ext4 hands the same number out again
		s.mkdir("d")
		s.waitDirty("d")
		s.write("d/f")
		s.waitDirty("d/f")
		must(t, os.RemoveAll(s.path("d")))
		s.forget()
	}
}

// Scenarios: E5.
func TestFreshTreeLosesNothing(t *testing.T) {
	s := watch(t, t.TempDir(), nil)
	var want []string
	for _, a := range "abcdefghij" {
		for _, b := range "abcdefghij" {
			folder := filepath.Join(string(a), string(b), "deep", "er")
			s.mkdir(folder)
			s.write(filepath.Join(folder, "f"))
			want = append(want, filepath.ToSlash(filepath.Join(folder, "f")))
		}
	}
	s.waitDirty(want...)
}

func TestCoverage(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/b/c/", "d/")
	s := watch(t, root, nil)
	if c := s.ready[0]; c.Watched != 5 || c.Polled != 0 || c.Blind != 0 || c.Elapsed <= 0 {
		t.Errorf("Coverage %+v, want 5 watched", c)
	}
	must(t, os.RemoveAll(s.path("a")))
	s.settle()
	s.wait("fewer folders", func() bool { return s.w.Coverage().Watched == 2 })
}

// Scenarios: E15.
func TestNothingHappensWhileIdle(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/f", "a/b/")
	s := watch(t, root, nil)
	if _, err := os.ReadFile(s.path("a/f")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(s.path("a")); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.never("a")
}

func TestInclude(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "skip/x/", "keep/")
	s := watch(t, root, func(w *Watcher) {
		w.options.Include = func(path string, folder bool) bool { return path != "skip" }
	})
	if c := s.w.Coverage(); c.Watched != 2 {
		t.Errorf("%d folders watched, want 2", c.Watched)
	}
	s.write("skip/f")
	must(t, os.Chmod(s.path("skip"), 0o700))
	s.write("keep/f")
	s.waitDirty("keep/f")
	s.settle()
	s.never("skip")
}

func TestRunRefusesRelativeRoot(t *testing.T) {
	if err := New("some/folder", Options{}).Run(t.Context(), newRecorder()); err == nil {
		t.Error("a relative root was accepted")
	}
}
