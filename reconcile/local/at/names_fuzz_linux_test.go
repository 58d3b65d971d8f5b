package at

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// dirent is a record as getdents64 returns it, padded to eight bytes.
func dirent(ino uint64, kind byte, name string) []byte {
	raw := make([]byte, (direntName+len(name)+8)&^7)
	binary.NativeEndian.PutUint64(raw[direntIno:], ino)
	binary.NativeEndian.PutUint16(raw[direntLength:], uint16(len(raw)))
	raw[direntType] = kind
	copy(raw[direntName:], name)
	return raw
}

// FuzzNames gives whatever a broken file system may say of a folder: each name comes out once as it went in, or nothing does.
func FuzzNames(f *testing.F) {
	f.Add([]byte{}, "a", byte(unix.DT_REG))
	f.Add(dirent(1, unix.DT_DIR, "."), "..", byte(unix.DT_DIR))
	f.Add(dirent(7, 99, "\xff\n")[:19], strings.Repeat("n", 255), byte(0))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x13\x00\x08"), "x", byte(unix.DT_LNK))
	f.Fuzz(func(t *testing.T, raw []byte, name string, kind byte) {
		before, ok := appendNames(nil, raw)
		if !ok && before != nil {
			t.Errorf("a part of a listing was returned: %v", before)
		}
		for _, n := range before {
			if n.Name == "." || n.Name == ".." || strings.Contains(n.Name, "\x00") {
				t.Errorf("name %q came out", n.Name)
			}
		}
		name, _, _ = strings.Cut(name, "\x00")
		if !ok || len(name) > 255 || name == "." || name == ".." {
			return
		}
		after, ok := appendNames(nil, append(dirent(42, kind, name), raw...))
		if !ok || len(after) != len(before)+1 || after[0] != (Name{Name: name, Kind: direntKind(kind), Ino: 42}) {
			t.Errorf("%q became %+v, %v", name, after, ok)
		}
	})
}
