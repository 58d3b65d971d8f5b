//go:build linux

package at

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

func TestNames(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		want := []string{"...", "..a", " ", "-rf", "a\nb", "caf\xe9", "\xff\xfe\x01", "\"", strings.Repeat("n", 255), strings.Repeat("\xf0", 255)}
		for i := range 5000 {
			want = append(want, fmt.Sprintf("%s-%d", strings.Repeat("f", i%200), i))
		}
		for _, name := range want {
			f, err := d.CreateFile(name)
			must(t, err)
			must(t, f.Close())
		}
		must(t, d.Mkdir("folder"))
		must(t, d.Symlink("x", "link"))
		must(t, d.Mknod("fifo", tree.FIFO, 0))
		kinds := map[string]tree.Kind{"folder": tree.Folder, "link": tree.Symlink, "fifo": tree.FIFO}
		want = append(want, "folder", "link", "fifo")
		var buf []Name
		for range 2 {
			var err error
			buf, err = d.Names(buf)
			must(t, err)
			var got []string
			for _, n := range buf {
				got = append(got, n.Name)
				e, err := d.Look(n.Name)
				must(t, err)
				kind := tree.File
				if k, ok := kinds[n.Name]; ok {
					kind = k
				}
				if e.Name != n.Name || e.Kind != kind || e.Kind != n.Kind || e.ID.Ino != n.Ino {
					t.Errorf("Look(%q) is %+v, listing %+v", n.Name, e, n)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d names are not those %d that were made", len(got), len(want))
			}
		}
	})
}

func TestNamesOfRemovedFolder(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		must(t, d.Mkdir("x"))
		x, err := d.Sub("x", OneMount)
		must(t, err)
		defer x.Close()
		must(t, d.Rmdir("x"))
		_, err = x.Names(nil)
		wantErr(t, "Names", err, fs.ErrNotExist)
		_, err = x.CreateFile("y")
		wantErr(t, "CreateFile", err, fs.ErrNotExist)
		e, err := x.Self()
		must(t, err)
		if e.Links != 0 {
			t.Errorf("removed folder has %d links", e.Links)
		}
	})
}

func TestBrokenListing(t *testing.T) {
	good := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, unix.DT_REG, 'a', 0, 0, 0, 0}
	if names, ok := appendNames(nil, slices.Clone(good)); !ok || len(names) != 1 || names[0] != (Name{"a", tree.File, 1}) {
		t.Errorf("got %v, %v", names, ok)
	}
	for cut := 1; cut < len(good); cut++ {
		if names, ok := appendNames(nil, slices.Clone(good[:cut])); ok {
			t.Errorf("%d bytes read as %v", cut, names)
		}
	}
	for _, length := range []byte{0, 18, 19, 20, 255} {
		bad := slices.Clone(good)
		bad[direntLength] = length
		if names, ok := appendNames(nil, bad); ok {
			t.Errorf("a length of %d read as %v", length, names)
		}
	}
}
