package local

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
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
