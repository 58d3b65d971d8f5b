package watcher

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// After each of these the same is asked: what is written under the new names is reported there at once, and nothing is
// reported below the old ones.
//
// Scenarios: E8.
func TestRename(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(*scene)
		write []string
		stale []string
	}{
		{
			name:  "inside the tree",
			do:    func(s *scene) { s.rename("a", "z") },
			write: []string{"z/f", "z/sub/f", "z/sub/deep/f"},
			stale: []string{"a/sub", "a/f"},
		},
		{
			name:  "into another folder",
			do:    func(s *scene) { s.rename("a/sub", "b/moved") },
			write: []string{"b/moved/f", "b/moved/deep/f"},
			stale: []string{"a/sub/f", "a/sub/deep"},
		},
		{
			name:  "below its own sibling",
			do:    func(s *scene) { s.rename("a", "b/a") },
			write: []string{"b/a/sub/deep/f"},
			stale: []string{"a/sub"},
		},
		{
			name:  "twice in quick succession",
			do:    func(s *scene) { s.rename("a", "y"); s.rename("y", "z") },
			write: []string{"z/sub/f", "z/sub/deep/f"},
			stale: []string{"a/sub", "y/sub/f", "y/sub/deep/f"}, // y/sub was there for a moment
		},
		{
			name:  "away and back",
			do:    func(s *scene) { s.rename("a", "y"); s.rename("y", "a") },
			write: []string{"a/sub/f", "a/sub/deep/f"},
			stale: []string{"y/sub/f", "y/sub/deep/f"},
		},
		{
			name:  "child, then parent",
			do:    func(s *scene) { s.rename("a/sub", "a/s"); s.rename("a", "z") },
			write: []string{"z/s/f", "z/s/deep/f"},
			stale: []string{"a/sub/f", "a/sub/deep", "a/s/f", "a/s/deep/f", "z/sub"},
		},
		{
			name:  "another takes the old name",
			do:    func(s *scene) { s.rename("a", "z"); s.rename("b", "a") },
			write: []string{"z/sub/deep/f", "a/other/f"},
			stale: []string{"a/sub", "b/other"},
		},
		{
			name:  "a new one takes the old name",
			do:    func(s *scene) { s.rename("a", "z"); s.mkdir("a/sub2") },
			write: []string{"z/sub/deep/f", "a/sub2/f"},
			stale: []string{"a/sub/f", "a/sub/deep"},
		},
		{
			name:  "parent while a child is being added",
			do:    func(s *scene) { s.mkdir("a/new/one"); s.rename("a", "z"); s.mkdir("z/new/two") },
			write: []string{"z/new/one/f", "z/new/two/f"},
			stale: []string{"a/new/two"}, // a/new/one was there for a moment
		},
	} {
		for _, when := range []string{"at once", "later"} {
			t.Run(tt.name+" "+when, func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				grow(t, root, "a/sub/deep/", "b/other/")
				s := watch(t, root, nil)
				tt.do(s)
				if when == "later" {
					s.settle()
					s.forget()
				}
				for _, path := range tt.write {
					s.write(path)
				}
				s.waitDirty(tt.write...)
				s.settle()
				s.never(tt.stale...)
				for _, path := range tt.write { // and again, now that all is known
					must(t, os.Remove(s.path(path)))
				}
				s.settle()
				s.forget()
				for _, path := range tt.write {
					s.write(path)
				}
				s.waitDirty(tt.write...)
				s.settle()
				s.never(tt.stale...)
			})
		}
	}
}

// A file that was dirty before its folder went is not reported: its folder is.
func TestRenameWhileDirty(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/sub/", "b/")
	s := watch(t, root, nil)
	for i := range 50 {
		from, to := "a", "z"
		if i%2 == 1 {
			from, to = to, from
		}
		s.write(from + "/sub/f")
		s.rename(from, to)
		s.write(to + "/sub/g")
		s.waitDirty(from, to, to+"/sub/f", to+"/sub/g")
		s.settle()
		s.forget()
		s.write(to + "/sub/f")
		s.waitDirty(to + "/sub/f")
		s.settle()
		s.never(from)
		s.forget()
	}
}

// Scenarios: E7.
func TestRenameOut(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	grow(t, root, "a/sub/deep/")
	s := watch(t, root, nil)
	must(t, os.Rename(s.path("a"), filepath.Join(outside, "a")))
	s.waitDirty("a")
	s.settle()
	s.forget()
	grow(t, outside, "a/f", "a/sub/f", "a/sub/deep/f", "a/more/f")
	s.settle()
	s.never("a")
	if c := s.w.Coverage(); c.Watched != 1 {
		t.Errorf("%d folders watched, want the root", c.Watched)
	}
}

func TestRenameInto(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	grow(t, outside, "a/f", "a/sub/f", "a/sub/deep/f")
	s := watch(t, root, nil)
	must(t, os.Rename(filepath.Join(outside, "a"), s.path("b")))
	s.waitDirty("b", "b/f", "b/sub", "b/sub/f", "b/sub/deep", "b/sub/deep/f")
	s.forget()
	s.write("b/sub/deep/g")
	s.waitDirty("b/sub/deep/g")
}

// A folder and a link, or two folders, change places many times while somebody writes below.
func TestRenameStorm(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "n0/sub/deep/")
	s := watch(t, root, nil)
	const last = 2000
	for i := range last {
		s.rename("n"+strconv.Itoa(i), "n"+strconv.Itoa(i+1))
		if i%16 == 0 {
			s.write("n" + strconv.Itoa(i+1) + "/sub/deep/f")
		}
	}
	end := "n" + strconv.Itoa(last)
	s.waitDirty(end + "/sub/deep/f")
	s.settle()
	s.forget()
	s.write(end + "/sub/deep/f")
	s.waitDirty(end + "/sub/deep/f")
	s.settle()
	for i := range last {
		s.never("n" + strconv.Itoa(i))
	}
	if c := s.w.Coverage(); c.Watched != 4 {
		t.Errorf("%d folders watched, want 4", c.Watched)
	}
}

// A folder that becomes a link is not watched through it.
//
// Scenarios: L3.
func TestNoWatchThroughLink(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	grow(t, outside, "sub/f")
	grow(t, root, "d/sub/")
	must(t, os.Symlink(outside, filepath.Join(root, "before")))
	s := watch(t, root, nil)
	must(t, os.RemoveAll(s.path("d")))
	must(t, os.Symlink(outside, s.path("d")))
	must(t, os.Symlink(outside, s.path("after")))
	must(t, os.Symlink("loop", s.path("loop")))
	s.waitDirty("d", "after", "loop")
	s.settle()
	s.forget()
	grow(t, outside, "g", "sub/g", "new/g")
	s.settle()
	s.never("d", "after", "before", "loop")
	if c := s.w.Coverage(); c.Watched != 1 {
		t.Errorf("%d folders watched, want the root", c.Watched)
	}
}
