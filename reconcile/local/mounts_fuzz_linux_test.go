package local

import (
	"fmt"
	"strings"
	"testing"
)

// escaped is a path as the kernel writes it into a table of mounts: see mangle_path in fs/seq_file.c.
func escaped(path string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, "#", `\043`).Replace(path)
}

// FuzzMounts reads tables of mounts: lines of any text are left out or read, and a line that the kernel writes is read as it was
// meant, whatever stands around it.
func FuzzMounts(f *testing.F) {
	f.Add("", "/", "/mnt")
	f.Add("24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n", "/a b", "/mnt/tab\tand\\040")
	f.Add("31 24 0:27 - - - -\n\\\\0\n24", "/\xff", "/mnt/\n")
	f.Add("18446744073709551616 1 0:1 / / rw - x y z", "/é", "/#")
	f.Fuzz(func(t *testing.T, text, inside, point string) {
		if got := unescape(escaped(inside)); got != inside {
			t.Errorf("%q was read as %q", inside, got)
		}
		parseMounts(text)
		// Of the bytes that part fields, the kernel writes these four as escapes and lets the others stand.
		if strings.Contains(inside+point, "\x00") || inside == "" || point == "" {
			return
		}
		line := fmt.Sprintf("77 24 0:27 %s %s rw - btrfs /dev/x rw\n", escaped(inside), escaped(point))
		want := mountPoint{77, "0:27", inside, point, "btrfs"}
		table := parseMounts(strings.TrimSuffix(text, "\n") + "\n" + line)
		if len(table) == 0 || table[len(table)-1] != want {
			t.Errorf("%q was read as %+v", line, table)
		}
	})
}
