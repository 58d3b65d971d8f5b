//go:build linux

package local

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// TestSourceUnreadable holds that what may not be read is not known, rather
// than empty or gone.
func TestSourceUnreadable(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	root := t.TempDir()
	write(t, root+"/x/in/file", "")
	write(t, root+"/unreadable", "")
	ok(t, os.Chmod(root+"/unreadable", 0))
	s := sourceAt(t, root)
	top := folderOf(t, s, tree.Root)
	denied := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := top.Open("unreadable")
	denied("Open", err)
	for _, mode := range []os.FileMode{0, 0o400, 0o100} {
		ok(t, os.Chmod(root+"/x", mode))
		f := folderOf(t, s, "x")
		_, err := f.List()
		denied("List "+mode.String(), err)
		_, err = f.Names(nil)
		denied("Names "+mode.String(), err)
		if mode&0o100 == 0 {
			_, err = f.Look("in")
			denied("Look "+mode.String(), err)
			_, err = f.Look("gone")
			denied("Look for nothing "+mode.String(), err)
			_, err = s.Folder("x/in")
			denied("Folder "+mode.String(), err)
		}
		if _, err := f.Self(); err != nil {
			t.Errorf("Self %s: %v", mode, err)
		}
		if list, err := top.List(); err != nil || len(list) != 2 {
			t.Errorf("List above %s: %v, %v", mode, list, err)
		}
	}
	ok(t, os.Chmod(root, 0))
	denied("List of the root", listOf(folderOf(t, s, tree.Root)))
	ok(t, os.Chmod(root, 0o700))
	ok(t, os.Chmod(root+"/x", 0o700))
}

func TestCheckPairUnreadable(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	root := pairFolders(t)
	defer os.Chmod(root+"/src", 0o700)
	for _, mode := range []os.FileMode{0, 0o100, 0o300} {
		ok(t, os.Chmod(root+"/src", mode))
		err := CheckPair(root+"/src", root+"/replica", "")
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(refusal.What, "permission denied") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
