//go:build linux

package local

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// readTree does with the folder at path and all below it what a pass does.
func readTree(s *Source, path tree.Path) (bytes int64, err error) {
	f, err := s.Folder(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Self(); err != nil {
		return 0, err
	}
	entries, err := f.List()
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		n := int64(0)
		switch e.Kind {
		case tree.Folder:
			n, err = readTree(s, path.Join(e.Name))
		case tree.File:
			n, err = readFile(f, e)
		default:
			_, err = f.Look(e.Name)
		}
		if err != nil {
			return 0, err
		}
		bytes += n
	}
	return bytes, nil
}

func readFile(f tree.SourceFolder, e tree.Entry) (bytes int64, err error) {
	c, err := f.Open(e.Name)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	n, err := c.ReadAt(make([]byte, e.Size), 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	return int64(n), c.Changed()
}

// stamps has everything that stat tells of the folder and all below it, the
// times of access included.
func stamps(t *testing.T, root string) map[string]unix.Stat_t {
	t.Helper()
	all := map[string]unix.Stat_t{}
	ok(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		err = unix.Lstat(path, &st)
		all[path] = st
		return err
	}))
	return all
}

// TestSourceLeavesNoTrace reads a whole tree, which is older than relatime
// cares for, and once more from where nothing can be written.
func TestSourceLeavesNoTrace(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a/b/file", "content")
	write(t, root+"/sparse", "")
	ok(t, os.Truncate(root+"/sparse", 1<<20))
	ok(t, os.Symlink("a", root+"/link"))
	ok(t, unix.Mkfifo(root+"/fifo", 0o600))
	long := time.Now().Add(-72 * time.Hour)
	names := []string{"/a/b/file", "/a/b", "/a", "/sparse", ""}
	for _, name := range names {
		ok(t, os.Chtimes(root+name, long, long))
	}
	n, err := readTree(sourceAt(t, root), tree.Root)
	if n != 7+1<<20 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	for _, name := range names {
		var after unix.Stat_t
		ok(t, unix.Lstat(root+name, &after))
		if int64(after.Atim.Sec) != long.Unix() || int64(after.Mtim.Sec) != long.Unix() {
			t.Errorf("%q was accessed at %d, modified at %d", name, after.Atim.Sec, after.Mtim.Sec)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("the rest needs root to mount")
	}
	ok(t, unix.Mount(root, root, "", unix.MS_BIND, ""))
	defer unix.Unmount(root, unix.MNT_DETACH)
	ok(t, unix.Mount("", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	was := stamps(t, root)
	if _, err := readTree(sourceAt(t, root), tree.Root); err != nil {
		t.Errorf("read-only: %v", err)
	}
	is := stamps(t, root)
	for path, st := range was {
		if is[path] != st {
			t.Errorf("%q was %+v, is %+v", path, st, is[path])
		}
	}
}

func BenchmarkSourceTree(b *testing.B) {
	const folders, files = 50, 100
	root := b.TempDir()
	for i := range folders {
		for j := range files {
			write(b, fmt.Sprintf("%s/%d/sub/file-%d", root, i, j), "package local // and some more\n")
		}
	}
	s := sourceAt(b, root)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readTree(s, tree.Root); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*folders*files), "ns/file")
}
