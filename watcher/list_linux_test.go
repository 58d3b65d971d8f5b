package watcher

import (
	"fmt"
	"testing"
)

// What a folder costs to watch does not grow with the files in it.
func TestListingAllocatesNothing(t *testing.T) {
	root := t.TempDir()
	for i := range 1000 {
		grow(t, root, fmt.Sprintf("file-%d", i))
	}
	p, err := openPlace(root)
	must(t, err)
	defer p.close()
	h, err := p.open("")
	must(t, err)
	defer h.close()
	buffer, entries := make([]byte, listBytes), 0
	allocations := testing.AllocsPerRun(10, func() {
		if h.rewind() != nil || h.list(buffer, func([]byte, bool) { entries++ }) != nil {
			t.Error("not listed")
		}
	})
	if entries != 11*1000 || allocations > 10 {
		t.Errorf("%d entries in 11 turns, %v allocations in each", entries, allocations)
	}
}
