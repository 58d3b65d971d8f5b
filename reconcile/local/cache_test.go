package local

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
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

func TestCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
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
	waitUntilClean(t, replica+"/b", replica+"/a")
	want("clean, not known", 20, 0)
	want("known", 0, 0)
	ok(t, os.WriteFile(replica+"/a", []byte("x2345"), 0))
	want("tampered with", 10, 1)
	if _, problems := pass(t, s, r, tree.Root); problems != nil {
		t.Error(problems)
	}
	want("mended", 10, 0)
	files := 0
	ok(t, filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		ok(t, err)
		data[len(data)/2] ^= 1
		return os.WriteFile(path, data, 0o600)
	}))
	if files != 1 {
		t.Errorf("the cache has %d files for one folder", files)
	}
	want("damaged", 20, 0)
	want("mended cache", 10, 0)
	ok(t, os.RemoveAll(cache))
	ok(t, os.Chmod(filepath.Dir(cache), 0))
	want("cache gone", 20, 0)
}

// waitUntilClean waits until the files are so old that what is read of them
// may be kept.
func waitUntilClean(t *testing.T, paths ...string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, path := range paths {
		for {
			info, err := os.Stat(path)
			ok(t, err)
			if time.Since(info.ModTime()) > racy+50*time.Millisecond {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s stays young", path)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
