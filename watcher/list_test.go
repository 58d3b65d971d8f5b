package watcher

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// A folder that takes several calls to list.
func TestListing(t *testing.T) {
	root := t.TempDir()
	want := map[string]bool{}
	for i := range 2000 {
		name := fmt.Sprintf("%0*d", 8+i%20, i)
		if folder := i%7 == 0; folder {
			grow(t, root, name+"/")
			want[name] = true
		} else {
			grow(t, root, name)
			want[name] = false
		}
	}
	if err := os.Symlink(".", filepath.Join(root, "link")); err == nil {
		want["link"] = false
	}
	_, h := opened(t, root)
	buffer, got := make([]byte, listBytes), map[string]bool{}
	for _, turn := range []string{"first", "again"} {
		clear(got)
		must(t, h.list(buffer, func(name []byte, folder bool) { got[string(name)] = folder }))
		if !maps.Equal(got, want) {
			t.Errorf("%s: %d names, want %d: %v", turn, len(got), len(want), got)
		}
		must(t, h.rewind())
	}
}

// opened returns handles of a root until the end of the test.
func opened(t *testing.T, root string) (*place, *handle) {
	t.Helper()
	p, err := openPlace(root)
	must(t, err)
	t.Cleanup(p.close)
	h, err := p.open("")
	must(t, err)
	t.Cleanup(h.close)
	return p, h
}
