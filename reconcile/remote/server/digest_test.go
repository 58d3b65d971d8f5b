package server

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"lockstep/reconcile/tree"
)

// complete is a content of a hole and some data, which are read from elsewhere.
func complete(hole int64, data []byte) *arriving {
	size := hole + int64(len(data))
	b := &batch{room: room{mu: new(sync.Mutex), ctx: context.Background()}}
	b.changed = sync.NewCond(b.mu)
	var h tree.ContentHash
	h.Zeros(hole)
	h.Write(data)
	return &arriving{
		b: b, entry: tree.Entry{Kind: tree.File, Size: size}, known: size, begun: true, complete: true, digest: h.Sum(),
		segments: []segment{
			{length: hole, hole: true, ready: true},
			{start: hole, length: int64(len(data)), ready: true, from: bytes.NewReader(data)},
		},
	}
}

// TestReadAgain: a content may be compared before it is written. What counts is
// what was read last, where the content begins with a hole too.
func TestReadAgain(t *testing.T) {
	const hole = 4096
	data := []byte("what is taken from another file of the replica")
	for _, changes := range []bool{false, true} {
		mine := bytes.Clone(data)
		c := complete(hole, mine)
		for range 2 {
			buf := make([]byte, len(data))
			if _, err := c.ReadAt(buf, hole); err != nil {
				t.Fatal(err)
			}
			if changes {
				mine[0]++ // that file is changed meanwhile
			}
		}
		if changes {
			mine[0] -= 2 // and back again
		}
		if err := c.Changed(); changes != errors.Is(err, errDamaged) {
			t.Errorf("changed %v: %v", changes, err)
		}
	}
}
