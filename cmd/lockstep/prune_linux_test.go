package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPruneCaches: a cache that is old goes, unless it lies in a tree.
func TestPruneCaches(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", dir)
	place := filepath.Join(dir, "lockstep", "gone"+mirrorCache)
	group := filepath.Join(place, "ab")
	file := filepath.Join(group, strings.Repeat("0", 62))
	if err := os.MkdirAll(group, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("lockstep leaves 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, group, place} {
		if err := os.Chtimes(name, time.Time{}, time.Now().AddDate(0, 0, -100)); err != nil {
			t.Fatal(err)
		}
	}
	pruneCaches("/elsewhere", place)
	if _, err := os.Lstat(file); err != nil {
		t.Errorf("in a tree: %v", err)
	}
	pruneCaches("/elsewhere", filepath.Join(dir, "tree"))
	if _, err := os.Lstat(place); err == nil {
		t.Error("an old cache stays")
	}
}
