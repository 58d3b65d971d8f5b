//go:build linux

package local

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// TestSourceWritesNothing holds the files of the source to the calls that
// read.
func TestSourceWritesNothing(t *testing.T) {
	reads := []string{
		"Open", "OpenStraight", "Sub", "Close", "Self", "Identity", "Names", "Look", "Xattrs", "OpenFile", "OpenIn", // of folders
		"Entry", "ReadAt", "Data", // of files
		"CrossMounts", "ErrNotFolder", "ErrNotFile", "Dir", "File", "Name", "Identity", "Exhausted", // no calls
	}
	writes := []string{
		"CreateFile", "CreateUnnamed", "Mkdir", "Symlink", "Mknod", "Link", "Rename", "Unlink", "Rmdir", "Lock", "SyncFS",
		"SetOwner", "SetMode", "SetTime", "SetXattrs", "WriteAt", "Truncate", "Clone", "StartSync", "Sync",
	}
	for _, file := range []string{"source.go", "source_folder.go", "content.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		ok(t, err)
		for _, i := range parsed.Imports {
			if p := i.Path.Value; p == `"os"` || p == `"syscall"` || strings.Contains(p, "x/sys") {
				t.Errorf("%s imports %s", file, p)
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, isSelector := n.(*ast.SelectorExpr)
			if !isSelector {
				return true
			}
			if of, isField := s.X.(*ast.SelectorExpr); isField && of.Sel.Name == "mu" {
				return true
			}
			if x, isName := s.X.(*ast.Ident); isName && x.Name == "at" && !slices.Contains(reads, s.Sel.Name) ||
				slices.Contains(writes, s.Sel.Name) {
				t.Errorf("%s uses %s", file, s.Sel.Name)
			}
			return true
		})
	}
}

func TestSourceList(t *testing.T) {
	root := t.TempDir()
	s := sourceAt(t, root)
	write(t, root+"/b\xff", "content")
	write(t, root+"/a/x", "")
	ok(t, os.Symlink("text\xfe", root+"/link"))
	ok(t, unix.Mkfifo(root+"/fifo", 0o640))
	ok(t, unix.Setxattr(root+"/a", "user.on", []byte("folder"), 0))
	ok(t, unix.Setxattr(root+"/b\xff", "user.on", []byte("file"), 0))
	ok(t, os.Chmod(root+"/b\xff", 0o751))

	f := folderOf(t, s, tree.Root)
	entries, err := f.List()
	ok(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
		if e.Name == "b\xff" {
			e.Xattrs = []tree.Xattr{{Name: "user.on", Value: "file"}}
		}
		looked, err := f.Look(e.Name)
		ok(t, err)
		if fmt.Sprint(looked) != fmt.Sprint(e) {
			t.Errorf("Look: %+v, List: %+v", looked, e)
		}
	}
	if want := []string{"a", "b\xff", "fifo", "link"}; !slices.Equal(names, want) {
		t.Fatalf("names are %q, want %q", names, want)
	}
	if e := entries[0]; e.Kind != tree.Folder || e.Size != 0 || len(e.Xattrs) != 1 || e.Xattrs[0].Value != "folder" {
		t.Errorf("folder is %+v", e)
	}
	if e := entries[1]; e.Kind != tree.File || e.Size != 7 || e.Mode != 0o751 || e.Xattrs != nil {
		t.Errorf("file is %+v", e)
	}
	if e := entries[3]; e.Kind != tree.Symlink || e.Link != "text\xfe" {
		t.Errorf("symlink is %+v", e)
	}
	self, err := folderOf(t, s, "a").Self()
	if err != nil || self.Name != "" || self.ID != entries[0].ID || len(self.Xattrs) != 1 {
		t.Errorf("Self: %+v, %v", self, err)
	}
	_, err = f.Look("missing")
	if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "missing") != 1 {
		t.Errorf("Look: %v", err)
	}
}

func TestSourceFolder(t *testing.T) {
	root := t.TempDir()
	s := sourceAt(t, root)
	write(t, root+"/a/file", "")
	ok(t, os.Symlink("a", root+"/link"))
	for _, path := range []tree.Path{"x", "a/x/y", "a/file", "a/file/x", "link", "link/x"} {
		_, err := s.Folder(path)
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrSourceMissing) {
			t.Errorf("Folder(%q): %v", path, err)
		}
	}
	for _, path := range []tree.Path{"..", "a/../..", "/etc", tree.Path(strings.Repeat("n", 256))} {
		if _, err := s.Folder(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Folder(%q): %v", path, err)
		}
	}
	a := folderOf(t, s, "a")
	ok(t, s.Close())
	if list, err := a.List(); err != nil || len(list) != 1 {
		t.Errorf("List of a folder that was open: %v, %v", list, err)
	}
}

// Scenarios: F10.
func TestSourceContent(t *testing.T) {
	root := t.TempDir()
	s := sourceAt(t, root)
	write(t, root+"/file", "0123456789")
	ok(t, unix.Setxattr(root+"/file", "user.on", []byte("file"), 0))
	ok(t, os.Symlink("file", root+"/link"))
	ok(t, unix.Mkfifo(root+"/fifo", 0o640))
	ok(t, os.Mkdir(root+"/folder", 0o755))
	f := folderOf(t, s, tree.Root)
	for _, name := range []string{"link", "fifo", "folder"} {
		if c, err := f.Open(name); !errors.Is(err, tree.ErrChanged) {
			t.Errorf("Open(%q): %v, %v", name, c, err)
		}
	}
	if _, err := f.Open("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}

	c, err := f.Open("file")
	ok(t, err)
	defer c.Close()
	if e := c.Entry(); e.Name != "file" || e.Size != 10 || len(e.Xattrs) != 1 {
		t.Errorf("Entry: %+v", e)
	}
	buf := make([]byte, 5)
	if n, err := c.ReadAt(buf, 7); n != 3 || err != io.EOF || string(buf[:n]) != "789" {
		t.Errorf("ReadAt: %q, %v", buf[:n], err)
	}
	if start, end, err := c.Data(2); start != 2 || end != 10 || err != nil {
		t.Errorf("Data: %d, %d, %v", start, end, err)
	}
	if _, _, err := c.Data(10); err != io.EOF {
		t.Errorf("Data at the end: %v", err)
	}
	ok(t, c.Changed())
	// The same size at the same time: only the time of the last change tells.
	info, err := os.Stat(root + "/file")
	ok(t, err)
	for { // until the clock of the file system has moved
		ok(t, os.WriteFile(root+"/file", []byte("9876543210"), 0o644))
		ok(t, os.Chtimes(root+"/file", info.ModTime(), info.ModTime()))
		now, err := os.Stat(root + "/file")
		ok(t, err)
		if now.Sys().(*syscall.Stat_t).Ctim != info.Sys().(*syscall.Stat_t).Ctim {
			break
		}
	}
	if err := c.Changed(); !errors.Is(err, tree.ErrChanged) {
		t.Errorf("Changed: %v", err)
	}
}

// Scenarios: E12.
func TestSourceCheck(t *testing.T) {
	parent := t.TempDir()
	root := parent + "/src"
	write(t, root+"/old", "")
	s := sourceAt(t, root)
	ok(t, s.Check())
	id := s.ID()

	const missing = "missing"
	list := func() string {
		f, err := s.Folder(tree.Root)
		if err != nil {
			return err.Error()
		}
		defer f.Close()
		entries, err := f.List()
		if err != nil || len(entries) != 1 {
			return fmt.Sprint(entries, err)
		}
		return entries[0].Name
	}
	is := func(step string, want error, name string) {
		t.Helper()
		if err := s.Check(); !errors.Is(err, want) || err != nil && strings.Count(err.Error(), root) != 1 {
			t.Errorf("%s: Check says %v, want %v", step, err, want)
		}
		if got := list(); got != name && !(name == missing && strings.HasPrefix(got, tree.ErrSourceMissing.Error())) {
			t.Errorf("%s: source holds %q, want %q", step, got, name)
		}
	}
	ok(t, os.Rename(root, parent+"/aside"))
	is("moved away", tree.ErrSourceMissing, missing)
	write(t, root+"/new", "")
	is("replaced", tree.ErrSourceReplaced, "new")
	is("still replaced", tree.ErrSourceReplaced, "new")
	ok(t, os.Rename(root, parent+"/second"))
	ok(t, os.Symlink("second", root))
	is("symlink", tree.ErrSourceReplaced, "new")
	ok(t, os.Remove(root))
	ok(t, os.WriteFile(root, nil, 0o644))
	is("file", tree.ErrSourceMissing, missing)
	ok(t, os.Remove(root))
	ok(t, os.Rename(parent+"/aside", root))
	is("back", nil, "old")
	if s.ID() != id {
		t.Error("ID is not that of the first folder")
	}
}

func TestSourceRootRemoved(t *testing.T) {
	root := t.TempDir() + "/src"
	write(t, root+"/a/b", "")
	s := sourceAt(t, root)
	open := folderOf(t, s, tree.Root)
	ok(t, os.RemoveAll(root))
	calls := map[string]func() error{
		"Check":       s.Check,
		"Folder":      func() error { _, err := s.Folder("a"); return err },
		"Folder root": func() error { f, err := s.Folder(tree.Root); return errors.Join(err, listOf(f)) },
		"Self":        func() error { _, err := open.Self(); return err },
		"List":        func() error { _, err := open.List(); return err },
		"Look":        func() error { _, err := open.Look("a"); return err },
		"Open":        func() error { _, err := open.Open("a"); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, tree.ErrSourceMissing) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// listOf lists f, if it was opened, and closes it.
func listOf(f tree.SourceFolder) error {
	if f == nil {
		return nil
	}
	defer f.Close()
	_, err := f.List()
	return err
}

func TestSourceMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	root := t.TempDir()
	write(t, root+"/sub/below", "")
	s := sourceAt(t, root)
	ok(t, unix.Mount("none", root+"/sub", "tmpfs", 0, ""))
	defer unix.Unmount(root+"/sub", unix.MNT_DETACH)
	write(t, root+"/sub/in/x", "")
	if f, err := s.Folder("sub/in"); err != nil {
		t.Error(err)
	} else {
		ok(t, f.Close())
	}
	e, err := folderOf(t, s, tree.Root).Look("sub")
	if err != nil || !e.Mounted {
		t.Errorf("Look: %+v, %v", e, err)
	}
	ok(t, unix.Mount("none", root, "tmpfs", 0, ""))
	defer unix.Unmount(root, unix.MNT_DETACH)
	if err := s.Check(); !errors.Is(err, tree.ErrSourceReplaced) {
		t.Errorf("mounted over: Check says %v", err)
	}
	ok(t, unix.Unmount(root, unix.MNT_DETACH))
	ok(t, s.Check())
}

// TestSourceMountedAgain unmounts a file system and mounts it again, as an
// external disk would be.
func TestSourceMountedAgain(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	write(t, dir+"/fs/x", "")
	ok(t, os.Mkdir(dir+"/root", 0o755))
	root := dir + "/root"
	ok(t, unix.Mount(dir+"/fs", root, "", unix.MS_BIND, ""))
	defer unix.Unmount(root, unix.MNT_DETACH)
	s := sourceAt(t, root)
	ok(t, unix.Unmount(root, unix.MNT_DETACH))
	if err := s.Check(); !errors.Is(err, tree.ErrSourceReplaced) {
		t.Errorf("unmounted: Check says %v", err)
	}
	ok(t, unix.Mount(dir+"/fs", root, "", unix.MS_BIND, ""))
	ok(t, s.Check())
	if err := listOf(folderOf(t, s, tree.Root)); err != nil {
		t.Error(err)
	}
}

// TestSourceListDuringChanges lists a folder of which entries come and go:
// there is no error, and what stayed is there with its neighbours.
//
// Scenarios: G8.
func TestSourceListDuringChanges(t *testing.T) {
	root := t.TempDir()
	s := sourceAt(t, root)
	for i := range 50 {
		write(t, fmt.Sprintf("%s/stays-%d", root, i), "")
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // ends with the test
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("%s/%d", root, i%7)
			if os.Symlink("x", name) == nil {
				os.Remove(name)
				os.WriteFile(name, nil, 0o600)
				os.Remove(name)
			}
		}
	}()
	f := folderOf(t, s, tree.Root)
	for range 300 {
		entries, err := f.List()
		if err != nil {
			t.Fatal(err)
		}
		stays := 0
		for _, e := range entries {
			if strings.HasPrefix(e.Name, "stays-") {
				stays++
			}
		}
		if stays != 50 {
			t.Fatalf("%d of 50 files listed", stays)
		}
	}
	close(stop)
	<-stopped
}

func BenchmarkSourceList(b *testing.B) {
	root := b.TempDir()
	for i := range 100 {
		write(b, fmt.Sprintf("%s/file-%d.go", root, i), "")
	}
	s := sourceAt(b, root)
	b.ReportAllocs()
	for b.Loop() {
		f, err := s.Folder(tree.Root)
		ok(b, err)
		_, err = f.List()
		ok(b, err)
		ok(b, f.Close())
	}
}

var _ interface{ file() *at.File } = (*content)(nil)
var _ interface{ dir() *at.Dir } = (*sourceFolder)(nil)
