//go:build linux

package at

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// systems are the ways in which every test of a walk runs: as the running
// system does it, and as one would that lacks the newer calls.
var systems = map[string]func(*Dir){
	"newest": func(*Dir) {},
	"oldest": func(d *Dir) { d.sys = &system{proc: procFD, approval: newApproval()} },
}

// onEach runs test with a fresh folder, opened, on each of the systems.
func onEach(t *testing.T, test func(t *testing.T, d *Dir, path string)) {
	for name, set := range systems {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			d := open(t, path)
			set(d)
			test(t, d, path)
		})
	}
}

func open(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func TestOpen(t *testing.T) {
	path := t.TempDir()
	must(t, os.WriteFile(path+"/file", nil, 0o600))
	must(t, unix.Mkfifo(path+"/fifo", 0o600))
	must(t, os.Symlink(path, path+"/link"))
	for _, name := range []string{"file", "fifo"} {
		_, err := Open(path + "/" + name)
		wantErr(t, name, err, ErrNotFolder)
	}
	_, err := Open(path + "/missing")
	wantErr(t, "missing", err, fs.ErrNotExist)
	a, err := open(t, path).Identity()
	must(t, err)
	b, err := open(t, path+"/link").Identity()
	must(t, err)
	if a != b || a == (Identity{}) {
		t.Errorf("identities %v and %v of one folder", a, b)
	}
}

// hostile are names that no call may take for a component.
var hostile = []string{"", ".", "..", "a/b", "/etc", "../x", "a\x00b", strings.Repeat("n", 256)}

func TestNamesAreComponents(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		must(t, os.Mkdir(path+"/a", 0o700))
		must(t, os.WriteFile(path+"/a/b", nil, 0o600))
		must(t, os.WriteFile(path+"/x", nil, 0o600))
		for _, name := range hostile {
			calls := map[string]func() error{
				"Look":       func() error { _, err := d.Look(name); return err },
				"OpenFile":   func() error { _, err := d.OpenFile(name); return err },
				"CreateFile": func() error { _, err := d.CreateFile(name); return err },
				"Mkdir":      func() error { return d.Mkdir(name) },
				"Symlink":    func() error { return d.Symlink("text", name) },
				"Mknod":      func() error { return d.Mknod(name, tree.FIFO, 0) },
				"Link":       func() error { return d.Link(name, d, "new") },
				"Link to":    func() error { return d.Link("x", d, name) },
				"Rename":     func() error { return d.Rename(name, d, "new", Replace) },
				"Rename to":  func() error { return d.Rename("x", d, name, Replace) },
				"Unlink":     func() error { return d.Unlink(name) },
				"Rmdir":      func() error { return d.Rmdir(name) },
			}
			if name != "" {
				calls["Sub"] = func() error { _, err := d.Sub(tree.Path(name), CrossMounts); return err }
				calls["Xattrs"] = func() error { _, err := d.Xattrs(name); return err }
				calls["SetXattrs"] = func() error { return d.SetXattrs(name, []tree.Xattr{{Name: "user.a"}}, nil) }
				calls["SetOwner"] = func() error { return d.SetOwner(name, Keep, Keep) }
				calls["SetMode"] = func() error { return d.SetMode(name, 0o777) }
				calls["SetTime"] = func() error { return d.SetTime(name, tree.Time{}) }
			}
			if name == "a/b" {
				delete(calls, "Sub") // a path, and a good one
			}
			for call, f := range calls {
				if err := f(); err == nil {
					t.Errorf("%s(%q) has been done", call, name)
				}
			}
		}
		names, err := d.Names(nil)
		must(t, err)
		if len(names) != 2 {
			t.Errorf("folder now holds %v", names)
		}
	})
}

func TestSub(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		must(t, os.MkdirAll(path+"/a/b/c", 0o700))
		must(t, os.WriteFile(path+"/a/file", nil, 0o600))
		must(t, os.Symlink("b", path+"/a/link"))
		must(t, os.Symlink(t.TempDir(), path+"/out"))
		must(t, unix.Mkfifo(path+"/a/fifo", 0o600))
		for _, walk := range []Walk{CrossMounts, OneMount} {
			for sub, want := range map[tree.Path]error{
				"": nil, "a": nil, "a/b/c": nil,
				"x": fs.ErrNotExist, "a/b/x/y": fs.ErrNotExist,
				"a/file": ErrNotFolder, "a/file/x": ErrNotFolder, "a/fifo": ErrNotFolder,
				"a/link": ErrNotFolder, "a/link/c": ErrNotFolder, "out": ErrNotFolder, "out/x": ErrNotFolder,
			} {
				s, err := d.Sub(sub, walk)
				if !errors.Is(err, want) {
					t.Errorf("Sub(%q, %d): got error %v, want %v", sub, walk, err, want)
				}
				if err != nil {
					continue
				}
				e, err := s.Self()
				must(t, err)
				fi, err := os.Stat(filepath.Join(path, string(sub)))
				must(t, err)
				if ino := fi.Sys().(*syscall.Stat_t).Ino; e.ID.Ino != ino {
					t.Errorf("Sub(%q, %d) is inode %d, want %d", sub, walk, e.ID.Ino, ino)
				}
				must(t, s.Close())
			}
		}
	})
}

func TestSubOfItselfListsIndependently(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		for i := range 3000 {
			must(t, os.WriteFile(fmt.Sprintf("%s/%d", path, i), nil, 0o600))
		}
		again, err := d.Sub(tree.Root, OneMount)
		must(t, err)
		defer again.Close()
		done := make(chan error)
		for _, dir := range []*Dir{d, d, again} {
			go func() { // ends with its listings
				var err error
				for range 5 {
					names, e := dir.Names(nil)
					if e != nil || len(names) != 3000 {
						err = fmt.Errorf("%d names, error %v", len(names), e)
					}
				}
				done <- err
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestDeep walks to folders whose paths are longer than any call takes.
func TestDeep(t *testing.T) {
	onEach(t, func(t *testing.T, root *Dir, path string) {
		name := strings.Repeat("d", 255)
		for _, depth := range []int{16, 17, 40, 300} {
			if depth == 300 {
				name = "xy"
			}
			var deep tree.Path
			d := root
			for range depth {
				if err := d.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
				next, err := d.Sub(tree.Path(name), OneMount)
				must(t, err)
				if d != root {
					d.Close()
				}
				d, deep = next, deep.Join(name)
			}
			want, err := d.Self()
			must(t, err)
			must(t, d.Close())
			d, err = root.Sub(deep, OneMount)
			must(t, err)
			got, err := d.Self()
			must(t, err)
			must(t, d.Close())
			if got.ID != want.ID {
				t.Errorf("path of %d bytes leads to %v, want %v", len(deep), got.ID, want.ID)
			}
			_, err = root.Sub(deep.Join("x"), OneMount)
			wantErr(t, "below", err, fs.ErrNotExist)
		}
	})
}

func TestMounts(t *testing.T) {
	needRoot(t)
	onEach(t, func(t *testing.T, d *Dir, path string) {
		for _, name := range []string{"a/fs/in", "a/bind", "b/in"} {
			must(t, os.MkdirAll(path+"/"+name, 0o700))
		}
		mount(t, "none", path+"/a/fs", "tmpfs", 0)
		must(t, os.Mkdir(path+"/a/fs/in", 0o700))
		mount(t, path+"/b", path+"/a/bind", "", unix.MS_BIND)
		for sub, mounted := range map[tree.Path]bool{
			"a": false, "a/fs": true, "a/fs/in": false, "a/bind": true, "a/bind/in": false, "b": false,
		} {
			s, err := d.Sub(sub, CrossMounts)
			must(t, err)
			e, err := s.Self()
			must(t, err)
			must(t, s.Close())
			if e.Mounted != mounted {
				t.Errorf("%q: Mounted is %v", sub, e.Mounted)
			}
			s, err = d.Sub(sub, OneMount)
			if below := strings.HasPrefix(string(sub), "a/"); below != errors.Is(err, tree.ErrMount) || !below && err != nil {
				t.Errorf("Sub(%q, OneMount): %v", sub, err)
			}
			if err == nil {
				s.Close()
			}
		}
		a, err := d.Sub("a", OneMount)
		must(t, err)
		defer a.Close()
		for _, name := range []string{"fs", "bind"} {
			e, err := a.Look(name)
			must(t, err)
			if !e.Mounted {
				t.Errorf("Look(%q) tells no mount", name)
			}
		}
	})
}

func mount(t *testing.T, what, where, kind string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(what, where, kind, flags, ""); err != nil {
		t.Fatalf("mount %s: %v", where, err)
	}
	t.Cleanup(func() { unix.Unmount(where, unix.MNT_DETACH) })
}

func TestIdentity(t *testing.T) {
	needRoot(t)
	path := t.TempDir()
	plain, err := open(t, path).Identity()
	must(t, err)
	must(t, os.Mkdir(path+"/x", 0o700))
	seen := map[Identity]bool{plain: true}
	for range 5 { // the inode number is likely the same each time
		i, err := open(t, path+"/x").Identity()
		must(t, err)
		if seen[i] {
			t.Errorf("identity %v was handed out again", i)
		}
		seen[i] = true
		must(t, os.Remove(path+"/x"))
		must(t, os.Mkdir(path+"/x", 0o700))
	}
	mount(t, "none", path+"/x", "tmpfs", 0)
	i, err := open(t, path+"/x").Identity()
	must(t, err)
	if seen[i] {
		t.Errorf("identity %v of a file system mounted over", i)
	}
}
