package server

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"lockstep/reconcile/tree"
)

// complete is a content of a hole and some data, which are read from elsewhere.
func complete(hole int64, data []byte) *arriving {
	size := hole + int64(len(data))
	x := &session{}
	b := &batch{x: x, room: room{mu: &x.recent.mu, ctx: context.Background()}}
	b.changed = sync.NewCond(b.mu)
	var h tree.ContentHash
	h.Zeros(hole)
	h.Write(data)
	c := &arriving{
		b: b, entry: tree.Entry{Kind: tree.File, Size: size}, known: size, begun: true, complete: true, digest: h.Sum(),
	}
	c.add(segment{length: hole, hole: true, ready: true})
	c.add(segment{start: hole, length: int64(len(data)), ready: true, from: bytes.NewReader(data)})
	return c
}

// TestHugeHole: a client that has gone is no reason to hash its hole for days.
func TestHugeHole(t *testing.T) {
	x := &session{}
	b := &batch{x: x, room: room{mu: &x.recent.mu, ctx: context.Background()}}
	b.changed = sync.NewCond(b.mu)
	c := &arriving{b: b, entry: tree.Entry{Kind: tree.File, Size: math.MaxInt64}, known: math.MaxInt64, begun: true, complete: true, streamed: true}
	c.add(segment{length: math.MaxInt64, hole: true, ready: true})
	ended := make(chan error, 1)
	go func() { ended <- c.Changed() }()
	b.short = new(tree.ShortContents)
	b.fail(tree.ErrUnreachable)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it is what was sent")
		}
	case <-time.After(20 * time.Second):
		t.Error("it is hashed on and on")
	}
}

// TestLargeHole: one that has said everything does not go: its hole is hashed.
func TestLargeHole(t *testing.T) {
	c := complete(3*tree.ZerosAtOnce, []byte("data"))
	c.b.short = new(tree.ShortContents)
	c.b.fail(nil)
	buf := make([]byte, 4)
	if _, err := c.ReadAt(buf, 3*tree.ZerosAtOnce); err != nil {
		t.Fatal(err)
	}
	if err := c.Changed(); err != nil {
		t.Error(err)
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
