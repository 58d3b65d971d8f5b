package client

import (
	"sync"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/chunk"
)

// blockSize is how much is read at once, at most. What is sent is a slice of a
// block and never copied; the block is free when all of them are.
const blockSize = 1 << 20

// blocks keeps free blocks.
type blocks struct{ pool sync.Pool }

var freeBlocks mem.BufferPool = &blocks{sync.Pool{New: func() any { b := make([]byte, blockSize); return &b }}}

// Get returns a block.
func (b *blocks) Get(int) *[]byte { return b.pool.Get().(*[]byte) }

// Put takes one back.
func (b *blocks) Put(block *[]byte) { b.pool.Put(block) }

// room is what contents are read to: one block after the other. It is a
// [chunk.Room].
type room struct {
	blocks mem.BufferPool
	block  mem.Buffer // nil before the first
	used   int
}

var _ chunk.Room = (*room)(nil)

// Take returns what is free of the block, or all of another one, which then
// begins with what is begun. All else of the block may be free by now: until
// that is copied, it is not given up.
func (r *room) Take(least int, begun []byte) []byte {
	if r.block == nil || blockSize-r.used < least {
		next := mem.NewBuffer(r.blocks.Get(blockSize), r.blocks)
		copy(next.ReadOnlyData(), begun)
		r.free()
		r.block, r.used = next, 0
	}
	return r.block.ReadOnlyData()[r.used:]
}

// Kept says that the next n bytes are in use.
func (r *room) Kept(n int) { r.used += n }

// slice returns a piece of the block as what can be sent; its caller frees it.
func (r *room) slice(piece []byte) mem.Buffer {
	start := blockSize - cap(piece) // a slice of the block reaches to its end
	return r.block.Slice(start, start+len(piece))
}

// free gives the block up.
func (r *room) free() {
	if r.block != nil {
		r.block.Free()
		r.block = nil
	}
}
