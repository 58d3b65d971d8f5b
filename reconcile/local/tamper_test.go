package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// TestPlantedSymlinks holds that nothing is done through symlinks that somebody
// put in the place of folders and files of the replica.
//
// Scenarios: F3, R5.
func TestPlantedSymlinks(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	write(t, source+"/folder/file", "new")
	write(t, source+"/folder/more/file", "new")
	write(t, source+"/file", "new")
	equal(t, s, r)
	outside := t.TempDir()
	write(t, outside+"/file", "outside")
	write(t, outside+"/more/file", "outside")
	before, err := os.Stat(outside + "/file")
	ok(t, err)
	ok(t, os.RemoveAll(replica+"/folder"))
	ok(t, os.Symlink(outside, replica+"/folder"))
	ok(t, os.Remove(replica+"/file"))
	ok(t, os.Symlink(outside+"/file", replica+"/file"))

	// Every action below the symlink, as if the decision had been made before.
	f, err := s.Folder("folder")
	ok(t, err)
	defer f.Close()
	want, err := f.Look("file")
	ok(t, err)
	open := func() (tree.Content, error) { return f.Open("file") }
	for _, out := range r.Apply(context.Background(), []tree.Action{
		{Kind: tree.Update, Path: "folder/file", Want: want, Over: tree.File, Open: open},
		{Kind: tree.Copy, Path: "folder/other", Want: want, Open: open},
		{Kind: tree.Metadata, Path: "folder/file", Want: want},
		{Kind: tree.Metadata, Path: "file", Want: want},
		{Kind: tree.Link, Path: "x", From: "folder/file", Want: want},
		{Kind: tree.Rename, Path: "y", From: "folder/file", Want: want},
	}) {
		if out.Err == nil {
			t.Errorf("went through: %+v", out)
		}
	}
	out := r.Apply(context.Background(), []tree.Action{{Kind: tree.Remove, Path: "folder/file", Over: tree.File}})[0]
	if out.Removed > 0 {
		t.Error("removed through the symlink")
	}
	equal(t, s, r)
	after, err := os.Stat(outside + "/file")
	ok(t, err)
	content, err := os.ReadFile(outside + "/file")
	ok(t, err)
	if string(content) != "outside" || !after.ModTime().Equal(before.ModTime()) || after.Mode() != before.Mode() {
		t.Errorf("outside: %q %v", content, after)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 2 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

// TestPlantedHardLinks holds that a name outside of the replica never changes
// with a file of it.
//
// Scenarios: L8, R12.
func TestPlantedHardLinks(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	outside := filepath.Join(filepath.Dir(replica), "outside")
	for name, change := range map[string]func(path string) error{
		"content": func(path string) error { return os.WriteFile(path, []byte("Content"), 0o600) },
		"size":    func(path string) error { return os.WriteFile(path, []byte("longer content"), 0o600) },
		"mode":    func(path string) error { return os.Chmod(path, 0o640) },
		"time":    func(path string) error { return os.Chtimes(path, stamp, stamp) },
	} {
		write(t, source+"/file", "content")
		equal(t, s, r)
		ok(t, os.Link(replica+"/file", outside))
		before, err := os.Stat(outside)
		ok(t, err)
		ok(t, change(source+"/file"))
		equal(t, s, r)
		after, err := os.Stat(outside)
		ok(t, err)
		content, err := os.ReadFile(outside)
		ok(t, err)
		if string(content) != "content" || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: outside %q %v", name, content, after)
		}
		ok(t, os.Remove(outside))
	}
}

// TestStaleTemps holds that a temp that no process works on is an entry like
// any other, and that one at work is not seen.
//
// Scenarios: G13.
func TestStaleTemps(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	write(t, source+"/file", "x")
	alive := r.temps.name()
	write(t, replica+"/"+alive, "half")
	stale := strings.Repeat("0", 16)
	write(t, replica+"/"+tempPrefix+stale, "half")
	if n, err := r.Count(context.Background(), tree.Root, 10); n != 2 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	equal(t, s, r)
	if _, err := os.Lstat(replica + "/" + alive); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(replica + "/" + tempPrefix + stale); err == nil {
		t.Error("the stale temp is still there")
	}
	r.temps.drop(alive)
	equal(t, s, r)
	if _, err := os.Lstat(replica + "/" + alive); err == nil {
		t.Error("the dropped temp is still there")
	}
}

// TestDeepFolders goes deeper than a path may be long and than descriptors
// reach.
//
// Scenarios: T20.
func TestDeepFolders(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	root, err := os.OpenRoot(source)
	ok(t, err)
	defer root.Close()
	for range 60 { // 60 times 100 bytes and more
		name := strings.Repeat("n", 100)
		ok(t, root.Mkdir(name, 0o755))
		ok(t, root.WriteFile("file", []byte("x"), 0o644))
		next, err := root.OpenRoot(name)
		ok(t, err)
		defer next.Close()
		root = next
	}
	equal(t, s, r)
	n, err := r.Count(context.Background(), tree.Root, 1000)
	if n != 121 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	out := r.Apply(context.Background(), []tree.Action{
		{Kind: tree.Remove, Path: tree.Path(strings.Repeat("n", 100)), Over: tree.Folder},
	})[0]
	if out.Err != nil || out.Removed != 119 {
		t.Errorf("remove: %+v", out)
	}
	if entries, err := os.ReadDir(replica); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestSymlinkRace lets somebody swap a folder of the replica for a symlink to
// the outside again and again while everything is done in it.
//
// Scenarios: F3, P16.
func TestSymlinkRace(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	write(t, source+"/folder/file", "new")
	write(t, source+"/folder/below/file", "new")
	equal(t, s, r)
	outside := t.TempDir()
	write(t, outside+"/file", "outside")
	write(t, outside+"/extra/file", "outside")
	write(t, outside+"/below/file", "outside")
	ok(t, os.Symlink(outside, replica+"/link"))
	before := treetest.Peek(outside).Tree(t)

	const least, most = 300 * time.Millisecond, 20 * time.Second // most, where the two seldom meet
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	swapped := make(chan int, 1)
	go func() { // ends with ctx
		n := 0
		for ; ctx.Err() == nil; n++ {
			os.Rename(replica+"/folder", replica+"/aside")
			os.Rename(replica+"/link", replica+"/folder")
			os.Rename(replica+"/folder", replica+"/link")
			os.Rename(replica+"/aside", replica+"/folder")
		}
		swapped <- n
	}()
	f := folderOf(t, s, "folder")
	want, err := f.Look("file")
	ok(t, err)
	open := func() (tree.Content, error) { return f.Open("file") }
	done, refused := 0, 0
	began := time.Now()
	for took := time.Duration(0); took < least || (done == 0 || refused == 0) && took < most; took = time.Since(began) {
		for _, out := range r.Apply(context.Background(), []tree.Action{
			{Kind: tree.Update, Path: "folder/file", Want: want, Over: tree.File, Open: open},
			{Kind: tree.Copy, Path: "folder/extra/file", Want: want, Over: tree.File, Open: open},
			{Kind: tree.Create, Path: "folder/extra", Want: tree.Entry{Kind: tree.Folder, Mode: 0o700}},
			{Kind: tree.Metadata, Path: "folder/below/file", Want: want},
			{Kind: tree.Remove, Path: "folder/extra", Over: tree.Folder},
			{Kind: tree.Remove, Path: "folder/file", Over: tree.File},
			{Kind: tree.Copy, Path: "folder/file", Want: want, Open: open},
		}) {
			switch {
			case errors.Is(out.Err, at.ErrNotFolder):
				refused++
			case out.Did == tree.Update || out.Did == tree.Copy:
				done++
			}
		}
	}
	stop()
	t.Logf("%d swaps, %d files written, %d symlinks refused", <-swapped, done, refused)
	if done == 0 || refused == 0 {
		t.Error("this has shown nothing")
	}
	treetest.Peek(outside).Want(t, before)
}
