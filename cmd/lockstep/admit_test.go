package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestCachePlace: nothing is written in a tree, whichever way a symlink leads
// there.
func TestCachePlace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the user's cache folder has no such variable here")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, replica := filepath.Join(dir, "source"), filepath.Join(dir, "replica")
	if err := os.MkdirAll(filepath.Join(source, "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("source/inner", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for cache, fits := range map[string]bool{
		"elsewhere": true, "source beside": true, "source": false, "source/inner/deep": false, "replica/cache": false, "link": false,
	} {
		cache = filepath.Join(dir, cache)
		t.Setenv("XDG_CACHE_HOME", cache)
		want := ""
		if fits {
			want = filepath.Join(cache, "lockstep", "name")
		}
		if place := cachePlace("name", source, replica); place != want {
			t.Errorf("in %s: %q, want %q", cache, place, want)
		}
	}
	if !inside("/x", "/") || inside("/xy", "/x") {
		t.Error("a folder is inside of another by its name")
	}
}
