package local

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"lockstep/reconcile/tree"
)

// TestReplicaFolder reads a replica in which an entry is at work.
func TestReplicaFolder(t *testing.T) {
	root := t.TempDir()
	r, err := OpenReplica(root, ReplicaOptions{Durability: NeverSync})
	ok(t, err)
	defer r.Close()
	temp := r.temps.name()
	defer r.temps.drop(temp)
	for _, name := range []string{temp, "folder/file", ".lockstep-0123456789abcdef", "file"} {
		write(t, root+"/"+name, "content")
	}
	f, err := r.Folder(tree.Root)
	ok(t, err)
	defer f.Close()
	bare, err := f.Names(nil)
	ok(t, err)
	listed, err := f.List()
	ok(t, err)
	want := []string{".lockstep-0123456789abcdef", "file", "folder"}
	for _, entries := range [][]tree.Entry{bare, listed} {
		var names []string
		for _, e := range entries {
			names = append(names, e.Name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("names %q, want %q", names, want)
		}
	}
	if !bare[1].Bare() || bare[2].Kind != tree.Absent || listed[1].Size != 7 || listed[2].Kind != tree.Folder {
		t.Errorf("%+v\n%+v", bare, listed)
	}
	c, err := f.Open("file")
	ok(t, err)
	defer c.Close()
	if e := c.Entry(); e.Size != 7 || e.Name != "file" {
		t.Errorf("%+v", e)
	}
	if _, err := f.Open("folder"); !errors.Is(err, tree.ErrConflict) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := f.Look("gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	ok(t, os.Symlink("folder", root+"/link"))
	for _, path := range []tree.Path{"gone", "file", "link", "link/below"} {
		if _, err := r.Folder(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", path, err)
		}
	}
}
