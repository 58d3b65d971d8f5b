package at

import (
	"os"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// What is opened at once is what a walk from the root leads to, and no symlink
// is followed on the way, be it one to the root.
func TestOpenStraight(t *testing.T) {
	top := t.TempDir()
	if err := os.MkdirAll(top+"/root/a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	for link, text := range map[string]string{"link": "root", "root/out": "/etc", "root/a/up": "../a"} {
		if err := os.Symlink(text, top+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	root, err := Open(top + "/root")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, path := range []tree.Path{tree.Root, "a", "a/b"} {
		d := OpenStraight(top+"/root", path)
		if d == nil {
			if probed().openat2 {
				t.Errorf("%q is not opened", path)
			}
			continue
		}
		walked, err := root.Sub(path, CrossMounts)
		if err != nil {
			t.Fatal(err)
		}
		have, _ := d.Self()
		want, _ := walked.Self()
		if have.ID != want.ID {
			t.Errorf("%q leads to %v, not to %v", path, have.ID, want.ID)
		}
		d.Close()
		walked.Close()
	}
	for _, c := range []struct {
		root string
		path tree.Path
	}{
		{"/link", "a"}, {"/root", "out"}, {"/root", "a/up/b"}, {"/root", ".."}, {"/root", "a/../.."}, {"/root", "missing"},
		{"/root", tree.Path(strings.Repeat("n/", pathMax))},
	} {
		if d := OpenStraight(top+c.root, c.path); d != nil {
			t.Errorf("%q below %q is opened", c.path, c.root)
			d.Close()
		}
	}
}
