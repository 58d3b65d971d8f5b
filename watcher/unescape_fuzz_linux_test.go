package watcher

import (
	"strings"
	"testing"
)

// FuzzUnescape turns back what the kernel writes of a mounted path: see mangle_path in fs/seq_file.c.
func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"", "/mnt/a b", `\040`, `\`, `\1`, `\999`, "/\xff\n\t#", `/a\134b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		escaped := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, "#", `\043`).Replace(path)
		if got := unescape(escaped); got != path {
			t.Errorf("%q was read as %q", path, got)
		}
		if got := unescape(path); len(got) > len(path) {
			t.Errorf("%q grew to %q", path, got)
		}
	})
}
