//go:build linux

package at

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// acl makes the value of a POSIX ACL that gives the user 1 the rights rwx
// (linux/posix_acl_xattr.h).
func acl(mask uint16) string {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 6, Keep}, {2, 7, 1}, {4, 4, Keep}, {16, mask, Keep}, {32, 0, Keep}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return string(b)
}

func TestXattrs(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		must(t, d.Mkdir("folder"))
		f, err := d.CreateFile("file")
		must(t, err)
		defer f.Close()
		acls := []tree.Xattr{{Name: tree.ACLAccess, Value: acl(6)}}
		both := []tree.Xattr{{Name: tree.ACLAccess, Value: acl(6)}, {Name: tree.ACLDefault, Value: acl(7)}}
		users := []tree.Xattr{{Name: "user.a", Value: "\x00\xff"}, {Name: "user.long", Value: strings.Repeat("v", 900)}}
		for _, c := range []struct {
			name  string
			wants [][]tree.Xattr
		}{
			{"file", [][]tree.Xattr{users, nil, acls, append(acls[:1:1], users...), users[:1], nil}},
			{"folder", [][]tree.Xattr{both, acls, nil, append(both[:2:2], users[0]), both[1:], nil}},
		} {
			var have []tree.Xattr
			for _, want := range c.wants {
				must(t, d.SetMode(c.name, 0o640))
				must(t, d.SetXattrs(c.name, want, have))
				wantXattrs(t, d, c.name, want)
				e, err := d.Look(c.name)
				must(t, err)
				mode := uint32(0o640)
				if len(want) > 0 && want[0].Name == tree.ACLAccess {
					mode = 0o660 // the mask of the ACL
				}
				if e.Mode != mode {
					t.Errorf("%s with %d attributes has mode %o", c.name, len(want), e.Mode)
				}
				have = want
			}
		}
		must(t, f.SetXattrs(users, nil))
		got, err := f.Xattrs()
		must(t, err)
		if len(got) != 2 || got[0] != users[0] || got[1] != users[1] {
			t.Errorf("attributes are %q", got)
		}
		must(t, d.SetXattrs("", users[:1], nil))
		wantXattrs(t, d, "", users[:1])
	})
}

func TestManyXattrs(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	f, err := d.CreateFile("f")
	must(t, err)
	defer f.Close()
	var want []tree.Xattr
	for c := 'a'; c <= 'z'; c++ {
		want = append(want, tree.Xattr{Name: "user." + strings.Repeat(string(c), 40), Value: string(c)})
	}
	must(t, f.SetXattrs(want, nil))
	wantXattrs(t, d, "f", want)
}

func TestSystemXattrs(t *testing.T) {
	needRoot(t)
	onEach(t, func(t *testing.T, d *Dir, path string) {
		// VFS_CAP_REVISION_2 with CAP_NET_RAW (linux/capability.h).
		capability := tree.Xattr{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
		f, err := d.CreateFile("f")
		must(t, err)
		defer f.Close()
		want := []tree.Xattr{capability, {Name: "trusted.a", Value: "1"}}
		must(t, f.SetXattrs(want, nil))
		must(t, unix.Fsetxattr(f.fd, "trusted.overlay.opaque", []byte("y"), 0))
		wantXattrs(t, d, "f", want)
		must(t, f.SetOwner(5, 5))
		wantXattrs(t, d, "f", want[1:])

		must(t, d.Symlink("x", "link"))
		must(t, d.SetXattrs("link", want[1:], nil))
		wantXattrs(t, d, "link", want[1:])
		must(t, d.Mknod("fifo", tree.FIFO, 0))
		must(t, d.SetXattrs("fifo", want[1:], nil))
		wantXattrs(t, d, "fifo", want[1:])
		must(t, os.Remove(path+"/link"))
	})
}

func TestWithoutProc(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	d.sys = &system{openat2: true, fchmodat2: true, proc: path + "/missing/"}
	must(t, d.Mkdir("folder"))
	f, err := d.CreateFile("file")
	must(t, err)
	must(t, f.Close())
	must(t, d.Symlink("x", "link"))
	want := []tree.Xattr{{Name: "user.a", Value: "1"}}
	for _, name := range []string{"folder", "file"} {
		must(t, d.SetXattrs(name, want, nil))
		wantXattrs(t, d, name, want)
		must(t, d.SetXattrs(name, nil, want))
	}
	for _, name := range []string{"folder", "file", "link"} {
		wantXattrs(t, d, name, nil)
	}
	_, err = d.Xattrs("missing")
	wantErr(t, "Xattrs", err, unix.ENOENT)
	d.sys.fchmodat2 = false
	wantErr(t, "SetMode", d.SetMode("file", 0o640), ErrUnsupported)
}
