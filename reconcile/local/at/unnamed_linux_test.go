package at

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree/treetest"
)

// Scenarios: O2.
func TestUnnamed(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		f, err := d.CreateUnnamed(0o400)
		if errors.Is(err, ErrUnsupported) {
			t.Skip("this file system names every file")
		}
		must(t, err)
		defer f.Close()
		if e, err := f.Entry(); err != nil || e.Mode != 0o400 {
			t.Errorf("made with 400: %o, %v", e.Mode, err)
		}
		_, err = f.WriteAt([]byte("content"), 0)
		must(t, err)
		if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
			t.Errorf("without a name: %v, %v", entries, err)
		}
		again, err := f.Again()
		must(t, err)
		read := make([]byte, 7)
		if _, err := again.ReadAt(read, 0); err != nil || string(read) != "content" {
			t.Errorf("opened again: %q, %v", read, err)
		}
		must(t, again.Close())
		must(t, os.WriteFile(path+"/taken", nil, 0o600))
		wantErr(t, "Link", f.Link(d, "taken"), fs.ErrExist)
		must(t, f.Link(d, "name"))
		if content, err := os.ReadFile(path + "/name"); err != nil || string(content) != "content" {
			t.Errorf("%q, %v", content, err)
		}
	})
}

// TestLinkThroughProc: an ordinary user gives a file its name where the system
// refuses to link the descriptor itself, and nothing where proc(5) is not
// mounted either. So it is before Linux 6.10; since then, the descriptor has to
// be of the same credentials, which prctl(2) replaces here by equal ones.
func TestLinkThroughProc(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	runtime.LockOSThread() // it ends with the test, and its credentials do
	path := t.TempDir()
	d := open(t, path)
	f, err := d.CreateUnnamed(0o600)
	if errors.Is(err, ErrUnsupported) {
		t.Skip("this file system names every file")
	}
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("content"), 0)
	must(t, err)
	must(t, unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0))
	wantErr(t, "linkat of the descriptor", unix.Linkat(f.fd, "", d.fd, "name", unix.AT_EMPTY_PATH), unix.ENOENT)

	known := *d.sys
	d.sys = &known
	known.proc = path + "/missing/"
	wantErr(t, "Link without proc", f.Link(d, "name"), fs.ErrNotExist)
	wantOnly(t, path)
	known.proc = procFD
	must(t, f.Link(d, "name"))
	wantOnly(t, path, "name")
	if content, err := os.ReadFile(path + "/name"); err != nil || string(content) != "content" {
		t.Errorf("%q, %v", content, err)
	}
	must(t, os.WriteFile(path+"/taken", nil, 0o600))
	wantErr(t, "Link to a name that is taken", f.Link(d, "taken"), fs.ErrExist)
}
