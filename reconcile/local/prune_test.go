package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lockstep/reconcile/tree"
)

// keptCache opens the cache at path of the tree at root, as a new process
// does. keep has it keep something of a folder, and returns in which file it
// does; knows asks for that.
func keptCache(t *testing.T, path, root string) (keep func(tree.Path) string, knows func(tree.Path) bool) {
	t.Helper()
	cache, err := OpenCache(path, root, Auto)
	ok(t, err)
	begun := time.Unix(1_000_000_000, 0)
	clean := tree.TimeOf(begun.Add(-time.Hour))
	e := tree.Entry{Name: "f", Kind: tree.File, ModTime: clean, ChangeTime: clean}
	keep = func(folder tree.Path) string {
		f := cache.Folder(folder)
		f.Note(e, tree.Digest{1}, begun)
		f.Keep()
		return cache.(contentCache).file(folder)
	}
	return keep, func(folder tree.Path) bool { _, known := cache.Folder(folder).Digest(e); return known }
}

// age makes files look as if they were last changed so long ago.
func age(t *testing.T, by time.Duration, names ...string) {
	t.Helper()
	for _, name := range names {
		ok(t, os.Chtimes(name, time.Time{}, time.Now().Add(-by)))
	}
}

// filesBelow returns what is below path, but for folders.
func filesBelow(t *testing.T, path string) (names []string) {
	t.Helper()
	ok(t, filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// TestPruneCache: what was not used for long goes from a cache when it keeps
// something, once a week, and nothing but what a cache writes.
func TestPruneCache(t *testing.T) {
	t.Parallel()
	path, root := t.TempDir()+"/cache", t.TempDir()
	keep, _ := keptCache(t, path, root)
	gone, read, written := keep("gone"), keep("read"), keep("written")
	group := filepath.Dir(gone)
	foreign := []string{
		path + "/note", path + "/folder/" + filepath.Base(gone), path + "/folder/" + tempName + "1",
		group + "/" + strings.Repeat("0", fileName), group + "/note", group + "/" + tempName + "folder",
	}
	for _, name := range foreign {
		write(t, name, "text")
	}
	link, temp := group+"/"+strings.Repeat("1", fileName), group+"/"+tempName+"1"
	ok(t, os.Symlink(gone, link))
	write(t, temp, cacheMagic[oneSide])
	age(t, keptUnused+time.Hour, append(foreign, gone, read, temp)...)
	all := filesBelow(t, path)
	keep, knows := keptCache(t, path, root)
	if !knows("read") || knows("new") {
		t.Error("it knows something else than it kept")
	}
	all = append(all, keep("new"))
	if slices.Sort(all); !slices.Equal(filesBelow(t, path), all) {
		t.Errorf("too soon: of\n%v\nthere is\n%v", all, filesBelow(t, path))
	}

	age(t, pruneEvery+time.Hour, path)
	keep, _ = keptCache(t, path, root)
	want := append(foreign, link, read, written, keep("new"), keep("once more"))
	if slices.Sort(want); !slices.Equal(filesBelow(t, path), want) {
		t.Errorf("there is\n%v\nwant\n%v", filesBelow(t, path), want)
	}

	age(t, keptUnused+time.Hour, written)
	keep, _ = keptCache(t, path, root)
	keep("another")
	if _, err := os.Lstat(written); err != nil {
		t.Errorf("twice in a week: %v", err)
	}
}

// TestPruneUnused: a cache of which nothing was used for long is gone.
func TestPruneUnused(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/cache"
	keep, _ := keptCache(t, path, t.TempDir())
	for _, folder := range []tree.Path{"a", "b", "c"} {
		age(t, keptUnused+time.Hour, keep(folder))
	}
	link := path + ".link"
	ok(t, os.Symlink("cache", link))
	age(t, pruneEvery+time.Hour, path)
	PruneCache(link)
	if n := len(filesBelow(t, path)); n != 3 {
		t.Errorf("through a symlink: %d files are left of 3", n)
	}
	PruneCache(path)
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("left: %v", filesBelow(t, path))
	}
}
