package local

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile/tree"
)

// cached compares by the cache and returns how many bytes that took and how
// much drift it found.
func cached(t *testing.T, s *Source, r *Replica) (bytes int64, drift int) {
	t.Helper()
	f := folderOf(t, s, tree.Root)
	list, err := f.List()
	ok(t, err)
	c, err := r.Compare(context.Background(), tree.Subject{Folder: f, Entries: list, Method: tree.ByCache})
	ok(t, err)
	again, err := r.Compare(context.Background(), tree.Subject{Folder: f, Entries: list, Method: tree.ByContent})
	ok(t, err)
	if len(c.Drift) == 0 {
		for i := range c.Leaves {
			if c.Leaves[i] != again.Leaves[i] {
				t.Errorf("leaf %d by the cache is %v, by content %v", i, c.Leaves[i], again.Leaves[i])
			}
		}
	}
	return c.Bytes, len(c.Drift)
}

// The clock of the bubble begins long before the stamps of any file: until it
// is set, all of them are young.
func TestCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { testCache(t, dir) })
}

func testCache(t *testing.T, dir string) {
	source, replica, cache := dir+"/source", dir+"/replica", dir+"/cache/digests"
	write(t, source+"/a", "12345")
	write(t, source+"/b", "67890")
	s := sourceAt(t, source)
	r := replicaAt(t, replica, ReplicaOptions{Cache: cache})
	equal(t, s, r)
	want := func(what string, bytes int64, drift int) {
		t.Helper()
		if b, d := cached(t, s, r); b != bytes || d != drift {
			t.Errorf("%s: read %d bytes and found %d, want %d and %d", what, b, d, bytes, drift)
		}
	}
	want("racy", 20, 0)
	want("racy, once more", 20, 0)
	old := lastStamp(t, source, replica)
	time.Sleep(time.Until(old.Add(racy + 1))) // on the fake clock
	want("clean, not known", 20, 0)
	want("known", 0, 0)
	for again := true; again; again = !lastStamp(t, replica).After(old) { // until the clock of the file system ticks
		ok(t, os.WriteFile(replica+"/a", []byte("x2345"), 0))
	}
	want("tampered with", 10, 1)
	if _, problems := pass(t, s, r, tree.Root); problems != nil {
		t.Error(problems)
	}
	want("mended, racy", 10, 0)
	if files := damage(t, cache); files != 1 {
		t.Errorf("the cache has %d files for one folder", files)
	}
	want("damaged", 20, 0)
	want("mended cache", 10, 0)
	ok(t, os.RemoveAll(cache))
	ok(t, os.Chmod(filepath.Dir(cache), 0))
	want("cache gone", 20, 0)
}

// TestContentCache holds what is known of the files of one tree against what
// was done to them since.
func TestContentCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { testContentCache(t, dir) })
}

func testContentCache(t *testing.T, dir string) {
	root, path := dir+"/root", dir+"/cache/contents"
	stamp := time.Unix(1_500_000_000, 0)
	restored := func(name, content string) error {
		name = filepath.Join(root, name)
		return errors.Join(os.WriteFile(name, []byte(content), 0o644), os.Chtimes(name, stamp, stamp))
	}
	changes := map[string]func() error{ // by the name of the file
		"edited, size and time restored": func() error { return restored("edited, size and time restored", "Content") },
		"mode":                           func() error { return os.Chmod(root+"/mode", 0o600) },
		"removed":                        func() error { return os.Remove(root + "/removed") },
		"renamed over": func() error {
			return errors.Join(restored("other", "Content"), os.Rename(root+"/other", root+"/renamed over"))
		},
		"same": func() error { return nil },
	}
	ok(t, os.Mkdir(root, 0o755))
	for name := range changes {
		ok(t, restored(name, "content"))
	}
	s := sourceAt(t, root)
	digest := tree.HashContent([]byte("content"))
	// known asks for every file, notes those that are not known, and returns the
	// names of the others.
	known := func(path, root string) (names []string) {
		t.Helper()
		c, err := OpenCache(path, root, Auto)
		ok(t, err)
		f := c.Folder(tree.Root)
		list, err := folderOf(t, s, tree.Root).List()
		ok(t, err)
		for _, e := range list {
			switch d, isKnown := f.Digest(e); {
			case !isKnown:
				f.Note(e, digest, time.Now())
			case d != digest:
				t.Errorf("digest of %q is %v", e.Name, d)
			default:
				names = append(names, e.Name)
			}
		}
		f.Keep()
		return names
	}
	want := func(what string, got []string, names ...string) {
		t.Helper()
		if !slices.Equal(got, names) {
			t.Errorf("%s: %q are known, want %q", what, got, names)
		}
	}
	every := slices.Sorted(maps.Keys(changes))
	want("new", known(path, root))
	want("racy", known(path, root))
	old := lastStamp(t, root)
	time.Sleep(time.Until(old.Add(racy + 1))) // on the fake clock
	want("clean, not noted", known(path, root))
	want("noted", known(path, root), every...)
	want("the cache of another folder", known(path, dir))
	want("not of that one", known(path, root), every...)
	for again := true; again; again = !lastStamp(t, root).After(old) { // until the clock of the file system ticks
		ok(t, os.Chmod(root+"/mode", 0o644))
	}
	for _, change := range changes {
		ok(t, change())
	}
	want("changed", known(path, root), "same")
	want("changed, racy", known(path, root), "same")
	if damage(t, dir+"/cache") == 0 {
		t.Error("there is no cache")
	}
	want("damaged", known(path, root))
	want("mended, but for what is racy", known(path, root), "same")
	ok(t, os.RemoveAll(path))
	ok(t, os.WriteFile(path, nil, 0o600))
	for range 2 {
		want("cannot be written", known(path, root))
	}
}

// damage flips a bit in each file below path and returns how many there are.
func damage(t *testing.T, path string) (files int) {
	t.Helper()
	ok(t, filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		ok(t, err)
		data[len(data)/2] ^= 1
		return os.WriteFile(path, data, 0o600)
	}))
	return files
}

// TestCacheKeeps: stamps have to be two seconds old when reading begins, and a
// time of modification alone proves nothing.
func TestCacheKeeps(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1_000_000_000, 5)
	clean, young, none := tree.TimeOf(begun.Add(-2*time.Second-1)), tree.TimeOf(begun.Add(-2*time.Second)), tree.Time{}
	for name, c := range map[string]struct {
		modified, changed tree.Time
		keeps             bool
	}{
		"clean":               {clean, clean, true},
		"modified just now":   {young, clean, false},
		"changed just now":    {clean, young, false},
		"modified in 1970":    {none, clean, true},
		"no time of a change": {clean, none, false},
	} {
		dir := t.TempDir()
		cache, err := OpenCache(dir+"/cache", dir, Auto)
		ok(t, err)
		f, e := cache.Folder(tree.Root), tree.Entry{Name: "f", Kind: tree.File, ModTime: c.modified, ChangeTime: c.changed}
		f.Note(e, tree.Digest{1}, begun)
		f.Keep()
		if _, known := cache.Folder(tree.Root).Digest(e); known != c.keeps {
			t.Errorf("%s: known is %v", name, known)
		}
	}
}

// lastStamp returns the latest stamp of all files directly in the folders.
func lastStamp(t *testing.T, folders ...string) (last time.Time) {
	t.Helper()
	for _, folder := range folders {
		s, err := OpenSource(folder)
		ok(t, err)
		defer s.Close()
		f, err := s.Folder(tree.Root)
		ok(t, err)
		defer f.Close()
		list, err := f.List()
		ok(t, err)
		for _, e := range list {
			for _, stamp := range []tree.Time{e.ModTime, e.ChangeTime} {
				if stamp.Time().After(last) {
					last = stamp.Time()
				}
			}
		}
	}
	return last
}
