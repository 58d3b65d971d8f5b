//go:build linux

package at

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// Scenarios: N6.
func TestFile(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		f, err := d.CreateFile("f")
		must(t, err)
		defer f.Close()
		_, err = d.CreateFile("f")
		wantErr(t, "CreateFile", err, fs.ErrExist)
		e, err := f.Entry()
		must(t, err)
		if e.Mode != newFileMode || e.Kind != tree.File || e.Size != 0 {
			t.Errorf("fresh file is %+v", e)
		}
		content := bytes.Repeat([]byte("lockstep"), 1000)
		n, err := f.WriteAt(content, 100)
		if n != len(content) || err != nil {
			t.Errorf("WriteAt: %d, %v", n, err)
		}
		must(t, f.Sync())
		got := make([]byte, 9000)
		n, err = f.ReadAt(got, 0)
		if n != 8100 || err != io.EOF || !bytes.Equal(got[100:n], content) {
			t.Errorf("ReadAt: %d, %v", n, err)
		}
		must(t, f.Truncate(100))
		must(t, f.SetTime(tree.Time{Sec: -5, Nsec: 123456789}))
		must(t, f.SetMode(0o4711))
		e, err = f.Entry()
		must(t, err)
		if e.Size != 100 || e.Mode != 0o4711 || e.ModTime != (tree.Time{Sec: -5, Nsec: 123456789}) {
			t.Errorf("file is %+v", e)
		}
		if byName, err := d.Look("f"); err != nil || !byName.Same(e) || byName.Mode != e.Mode || byName.Links != 1 {
			t.Errorf("Look: %+v, %v; Entry: %+v", byName, err, e)
		}
		must(t, d.SyncFS())
		must(t, f.Sequential())
	})
}

func TestHoles(t *testing.T) {
	const hole, data = 1 << 20, 64 << 10
	d := open(t, t.TempDir())
	f, err := d.CreateFile("f")
	must(t, err)
	defer f.Close()
	for _, offset := range []int64{hole, 3 * hole} {
		_, err = f.WriteAt(make([]byte, data), offset)
		must(t, err)
	}
	must(t, f.Truncate(4*hole))
	if _, err := f.Entry(); err != nil || !f.Sparse() {
		t.Errorf("Sparse is %v, %v", f.Sparse(), err)
	}
	var got []int64
	for at := int64(0); ; {
		start, end, err := f.Data(at)
		if err == io.EOF {
			break
		}
		must(t, err)
		got = append(got, start, end)
		at = end
	}
	if len(got) != 4 || got[0] != hole || got[1] != hole+data || got[2] != 3*hole || got[3] != 3*hole+data {
		t.Errorf("data at %v", got)
	}
	if _, _, err := f.Data(5 * hole); err != io.EOF {
		t.Errorf("Data beyond the end: %v", err)
	}
}

func TestClone(t *testing.T) {
	d := open(t, t.TempDir())
	from, err := d.CreateFile("from")
	must(t, err)
	defer from.Close()
	_, err = from.WriteAt([]byte("0123456789"), 0)
	must(t, err)
	to, err := d.CreateFile("to")
	must(t, err)
	defer to.Close()
	to.StartSync(0, 10) // of nothing, and of a file in any file system
	if err := to.Clone(from); err != nil {
		wantErr(t, "Clone", err, ErrUnsupported)
	} else if n, err := to.ReadAt(make([]byte, 20), 0); n != 10 || err != io.EOF {
		t.Errorf("cloned %d bytes, %v", n, err)
	}
}

func TestOpenFileOfOtherKinds(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		must(t, d.Mknod("fifo", tree.FIFO, 0))
		must(t, d.Symlink("fifo", "link"))
		socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(t, err)
		defer unix.Close(socket)
		must(t, unix.Bind(socket, &unix.SockaddrUnix{Name: path + "/socket"}))
		for _, name := range []string{"link", "socket"} {
			_, err := d.OpenFile(name)
			wantErr(t, name, err, ErrNotFile)
		}
		f, err := d.OpenFile("fifo") // must return at once
		must(t, err)
		defer f.Close()
		if e, err := f.Entry(); err != nil || e.Kind != tree.FIFO {
			t.Errorf("fifo is %+v, %v", e, err)
		}
		_, err = d.OpenFile("missing")
		wantErr(t, "missing", err, fs.ErrNotExist)
	})
}

func TestEntries(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		for _, text := range []string{"x", "/etc/passwd", strings.Repeat("l/", 2047) + "l", "\xff\n"} {
			must(t, d.Symlink(text, "link"))
			e, err := d.Look("link")
			must(t, err)
			if e.Kind != tree.Symlink || e.Link != text || e.Size != 0 {
				t.Errorf("symlink is %+v", e)
			}
			must(t, d.Unlink("link"))
		}
		must(t, d.Mknod("fifo", tree.FIFO, 0))
		must(t, d.SetMode("fifo", 0o640))
		if e, err := d.Look("fifo"); err != nil || e.Kind != tree.FIFO || e.Mode != 0o640 {
			t.Errorf("fifo is %+v, %v", e, err)
		}
		if os.Geteuid() == 0 {
			number := unix.Mkdev(300, 70000)
			must(t, d.Mknod("device", tree.BlockDevice, number))
			if e, err := d.Look("device"); err != nil || e.Kind != tree.BlockDevice || e.Device != number {
				t.Errorf("device is %+v, %v", e, err)
			}
		}
		_, err := d.Look("missing")
		wantErr(t, "Look", err, fs.ErrNotExist)
	})
}

func TestRename(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		write := func(name string) tree.ID {
			f, err := d.CreateFile(name)
			must(t, err)
			defer f.Close()
			e, err := f.Entry()
			must(t, err)
			return e.ID
		}
		is := func(name string, want tree.ID) {
			t.Helper()
			if e, err := d.Look(name); err != nil || e.ID != want {
				t.Errorf("%q is %v, %v; want %v", name, e.ID, err, want)
			}
		}
		a, b := write("a"), write("b")
		wantErr(t, "NoReplace", d.Rename("a", d, "b", NoReplace), fs.ErrExist)
		must(t, d.Rename("a", d, "b", Exchange))
		is("a", b)
		is("b", a)
		must(t, d.Rename("a", d, "c", NoReplace))
		must(t, d.Rename("c", d, "b", Replace))
		is("b", b)
		wantErr(t, "Exchange", d.Rename("b", d, "x", Exchange), fs.ErrNotExist)
		must(t, d.Mkdir("folder"))
		sub, err := d.Sub("folder", OneMount)
		must(t, err)
		defer sub.Close()
		must(t, d.Link("b", sub, "b"))
		if e, err := sub.Look("b"); err != nil || e.ID != b || e.Links != 2 {
			t.Errorf("linked: %+v, %v", e, err)
		}
		must(t, d.Symlink("b", "s"))
		must(t, d.Link("s", d, "s2"))
		if e, err := d.Look("s2"); err != nil || e.Kind != tree.Symlink {
			t.Errorf("link to a symlink: %+v, %v", e, err)
		}
		wantErr(t, "Rmdir", d.Rmdir("folder"), unix.ENOTEMPTY)
		must(t, sub.Unlink("b"))
		must(t, d.Rmdir("folder"))
	})
}

// TestAttributesStayOnTheName plants a symlink to a file and a folder outside
// and sets everything that can be set on it.
func TestAttributesStayOnTheName(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		outside := t.TempDir()
		must(t, os.WriteFile(outside+"/f", []byte("outside"), 0o644))
		for _, target := range []string{outside + "/f", outside} {
			before := snapshot(t, target)
			must(t, d.Symlink(target, "link"))
			d.SetOwner("link", 1, 1)
			if err := d.SetMode("link", 0o777); !errors.Is(err, ErrUnsupported) {
				t.Errorf("SetMode: %v", err)
			}
			must(t, d.SetTime("link", tree.Time{Sec: 7, Nsec: 8}))
			d.SetXattrs("link", []tree.Xattr{{Name: "user.x", Value: "1"}}, nil)
			if x, err := d.Xattrs("link"); len(x) > 0 || err != nil {
				t.Errorf("Xattrs: %v, %v", x, err)
			}
			if _, err := d.CreateFile("link"); err == nil {
				t.Error("CreateFile went through a symlink")
			}
			d.Mkdir("link")
			d.Rmdir("link")
			if e, err := d.Look("link"); err != nil || e.ModTime != (tree.Time{Sec: 7, Nsec: 8}) {
				t.Errorf("link is %+v, %v", e, err)
			}
			must(t, d.Unlink("link"))
			if after := snapshot(t, target); after != before {
				t.Errorf("%q was %+v, is %+v", target, before, after)
			}
		}
	})
}

func snapshot(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return st
}

func TestSetuidAfterOwner(t *testing.T) {
	needRoot(t)
	onEach(t, func(t *testing.T, d *Dir, path string) {
		f, err := d.CreateFile("f")
		must(t, err)
		defer f.Close()
		must(t, f.SetMode(0o6755))
		must(t, f.SetOwner(123, 456))
		if e, _ := f.Entry(); e.Mode&0o6000 != 0 {
			t.Errorf("chown kept mode %o", e.Mode)
		}
		must(t, d.SetMode("f", 0o6755))
		must(t, d.SetOwner("f", Keep, Keep))
		must(t, d.SetMode("f", 0o6755))
		must(t, f.SetTime(tree.Time{Sec: 1 << 33, Nsec: 999999999}))
		if e, err := d.Look("f"); err != nil || e.Mode != 0o6755 || e.UID != 123 || e.GID != 456 ||
			e.ModTime != (tree.Time{Sec: 1 << 33, Nsec: 999999999}) {
			t.Errorf("file is %+v, %v", e, err)
		}
		must(t, d.SetOwner("", 123, Keep))
		must(t, d.SetMode("", 0o1750))
		must(t, d.SetTime("", tree.Time{Sec: 3}))
		if e, err := d.Self(); err != nil || e.Mode != 0o1750 || e.UID != 123 || e.GID != 0 || e.ModTime.Sec != 3 {
			t.Errorf("folder is %+v, %v", e, err)
		}
	})
}

func TestReadingLeavesNoTrace(t *testing.T) {
	path := t.TempDir()
	must(t, os.MkdirAll(path+"/sub", 0o700))
	must(t, os.WriteFile(path+"/sub/f", []byte("content"), 0o600))
	long := time.Now().Add(-72 * time.Hour) // relatime moves a time of access this old
	for _, name := range []string{"/sub/f", "/sub"} {
		must(t, os.Chtimes(path+name, long, long))
	}
	onEach(t, func(t *testing.T, _ *Dir, _ string) {
		sub, err := open(t, path).Sub("sub", OneMount)
		must(t, err)
		defer sub.Close()
		_, err = sub.Names(nil)
		must(t, err)
		f, err := sub.OpenFile("f")
		must(t, err)
		defer f.Close()
		_, err = f.ReadAt(make([]byte, 7), 0)
		must(t, err)
		for _, name := range []string{"/sub/f", "/sub"} {
			fi, err := os.Stat(path + name)
			must(t, err)
			if st := fi.Sys().(*syscall.Stat_t); int64(st.Atim.Sec) != long.Unix() {
				t.Errorf("%s was accessed at %d", name, st.Atim.Sec)
			}
		}
	})
}

func TestLock(t *testing.T) {
	path := t.TempDir()
	a, b := open(t, path), open(t, path)
	must(t, a.Lock())
	wantErr(t, "second lock", b.Lock(), ErrLocked)
	must(t, a.Close())
	must(t, b.Lock())
}

func TestSpace(t *testing.T) {
	d := open(t, t.TempDir())
	if free, err := d.Space(); err != nil || free == 0 {
		t.Errorf("Space: %d, %v", free, err)
	}
	if kind, _, err := d.FSType(); err != nil || kind == 0 {
		t.Errorf("FSType: %x, %v", kind, err)
	}
}
