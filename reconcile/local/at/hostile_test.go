//go:build linux

package at

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// TestSwappedForSymlink puts a symlink in the place of each component, once
// before a walk and once between a walk and what is done in its folder. It does so
// with openat2 and without.
//
// Scenarios: W5.
func TestSwappedForSymlink(t *testing.T) {
	paths := []tree.Path{"a", "a/b", "a/b/c"}
	onEach(t, func(t *testing.T, d *Dir, path string) {
		outside := t.TempDir()
		must(t, os.MkdirAll(outside+"/b/c", 0o700))
		must(t, os.MkdirAll(outside+"/c", 0o700))
		for _, swapped := range paths {
			must(t, os.MkdirAll(path+"/a/b/c", 0o700))
			opened, err := d.Sub("a/b/c", OneMount)
			must(t, err)
			real := path + "/" + string(swapped)
			must(t, os.Rename(real, path+"/aside"))
			must(t, os.Symlink(outside, real))
			if s, err := d.Sub("a/b/c", OneMount); !errors.Is(err, ErrNotFolder) {
				t.Errorf("%q swapped: walk gave %v, %v", swapped, s, err)
			}
			f, err := opened.CreateFile("new")
			must(t, err)
			must(t, f.Close())
			must(t, opened.Unlink("new"))
			must(t, opened.Close())
			must(t, os.Remove(real))
			must(t, os.RemoveAll(path+"/aside"))
			must(t, os.RemoveAll(path+"/a"))
		}
		wantOnly(t, outside, "b", "c")
		wantOnly(t, outside+"/b", "c")
		wantOnly(t, outside+"/c")
		wantOnly(t, outside+"/b/c")
	})
}

func wantOnly(t *testing.T, path string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	must(t, err)
	if len(entries) != len(names) {
		t.Fatalf("%s holds %v, want %v", path, entries, names)
	}
	for i, e := range entries {
		if e.Name() != names[i] {
			t.Errorf("%s holds %v, want %v", path, entries, names)
		}
	}
}

// TestFlippedForSymlink has somebody exchange a folder and a symlink to the
// outside all the time that files are made below it.
func TestFlippedForSymlink(t *testing.T) {
	const least, most = time.Second, 20 * time.Second // most, where the two seldom meet
	onEach(t, func(t *testing.T, d *Dir, path string) {
		outside := t.TempDir()
		must(t, os.MkdirAll(outside+"/in", 0o700))
		must(t, os.MkdirAll(path+"/a/in", 0o700))
		must(t, os.Symlink(outside, path+"/link"))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		flipped := make(chan int, 1)
		go func() { // ends with ctx
			n := 0
			for ctx.Err() == nil {
				if unix.Renameat2(unix.AT_FDCWD, path+"/a", unix.AT_FDCWD, path+"/link", unix.RENAME_EXCHANGE) == nil {
					n++
				}
			}
			flipped <- n
		}()
		made, refused := 0, 0
		began := time.Now()
		for took := time.Duration(0); took < least || (made == 0 || refused == 0) && took < most; took = time.Since(began) {
			sub, err := d.Sub("a/in", OneMount)
			if errors.Is(err, ErrNotFolder) {
				refused++
				continue
			}
			must(t, err)
			f, err := sub.CreateFile("f")
			must(t, err)
			must(t, f.Close())
			must(t, sub.SetMode("f", 0o640))
			must(t, sub.Unlink("f"))
			must(t, sub.Close())
			made++
		}
		stop()
		n := <-flipped
		t.Logf("%d flips, %d files made, %d walks refused", n, made, refused)
		if n == 0 || made == 0 || refused == 0 {
			t.Error("this has shown nothing")
		}
		wantOnly(t, outside, "in")
		wantOnly(t, outside+"/in")
	})
}

func TestUser(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	if Privileged() {
		t.Error("an ordinary user is privileged")
	}
	onEach(t, func(t *testing.T, d *Dir, path string) {
		if err := d.SetOwner("", 0, Keep); !errors.Is(err, unix.EPERM) {
			t.Errorf("SetOwner: %v", err)
		}
		for _, mode := range []os.FileMode{0, 0o100, 0o400, 0o300} {
			must(t, os.Mkdir(path+"/x", 0o700))
			must(t, os.WriteFile(path+"/x/f", nil, 0o600))
			must(t, os.Chmod(path+"/x", mode))
			x, err := d.Sub("x", OneMount)
			must(t, err)
			if e, err := x.Self(); err != nil || e.Mode != uint32(mode) {
				t.Errorf("mode %o: Self is %+v, %v", mode, e, err)
			}
			again, err := x.Sub(tree.Root, OneMount)
			must(t, err)
			must(t, again.Close())
			names, err := x.Names(nil)
			if readable := mode&0o400 != 0; readable != (err == nil && len(names) == 1) || !readable && !errors.Is(err, unix.EACCES) {
				t.Errorf("mode %o: Names are %v, %v", mode, names, err)
			}
			if _, err := x.Look("f"); (mode&0o100 != 0) != (err == nil) || err != nil && !errors.Is(err, unix.EACCES) {
				t.Errorf("mode %o: Look says %v", mode, err)
			}
			must(t, x.SetMode("", 0o700))
			must(t, x.SetTime("", tree.Time{Sec: 1}))
			again, err = x.Sub(tree.Root, OneMount)
			must(t, err)
			names, err = again.Names(nil)
			if len(names) != 1 || err != nil {
				t.Errorf("mode %o, then lent: Names are %v, %v", mode, names, err)
			}
			must(t, again.Close())
			must(t, x.Close())
			must(t, os.RemoveAll(path+"/x"))
		}
		f, err := open(t, "/").OpenFile("etc") // O_NOATIME is not for us there
		must(t, err)
		must(t, f.Close())
		etc, err := open(t, "/etc").OpenFile("passwd")
		must(t, err)
		must(t, etc.Close())
	})
}

func TestXattrsOfUser(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	onEach(t, func(t *testing.T, d *Dir, path string) {
		must(t, os.WriteFile(path+"/f", nil, 0o400))
		want := []tree.Xattr{{Name: "user.a", Value: "1"}, {Name: "user.b", Value: ""}}
		must(t, d.SetXattrs("f", want, nil))
		e, err := d.Look("f")
		must(t, err)
		if e.Mode != 0o400 {
			t.Errorf("mode is %o", e.Mode)
		}
		wantXattrs(t, d, "f", want)
		must(t, d.SetXattrs("f", want[:1], want))
		wantXattrs(t, d, "f", want[:1])
		must(t, os.Mkdir(path+"/x", 0o700))
		must(t, os.Chmod(path+"/x", 0))
		x, err := d.Sub("x", OneMount)
		must(t, err)
		defer x.Close()
		wantXattrs(t, x, "", nil) // without a right to the folder
		must(t, os.Chmod(path+"/x", 0o600))
		must(t, x.SetXattrs("", want, nil))
		wantXattrs(t, x, "", want)
		must(t, os.Chmod(path+"/x", 0o500))
		must(t, x.SetXattrs("", want[:1], want))
		wantXattrs(t, x, "", want[:1])
		if e, err := x.Self(); err != nil || e.Mode != 0o500 {
			t.Errorf("folder is %+v, %v", e, err)
		}
		must(t, os.Chmod(path+"/x", 0o700))
	})
}

func wantXattrs(t *testing.T, d *Dir, name string, want []tree.Xattr) {
	t.Helper()
	got, err := d.Xattrs(name)
	must(t, err)
	equal := len(got) == len(want)
	for i := 0; equal && i < len(got); i++ {
		equal = got[i] == want[i]
	}
	if !equal {
		t.Errorf("attributes of %q are %q, want %q", name, got, want)
	}
}
