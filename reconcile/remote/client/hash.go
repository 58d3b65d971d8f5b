package client

import (
	"google.golang.org/grpc/mem"

	"lockstep/reconcile/tree"
)

// hashAhead is how many pieces of a large content may wait to be hashed.
const hashAhead = 16

// hashing is the digest of one content. That of a large one is made by another
// goroutine, while this one names the chunks: they are not the blocks.
type hashing struct {
	hash   tree.ContentHash
	pieces chan hashPiece // nil for a small content
	done   chan tree.Digest
}

// hashPiece is a stretch of zeros, or bytes, which are freed once hashed.
type hashPiece struct {
	zeros int64
	data  mem.Buffer
}

// begin makes h ready for a content of that size, the first or after the sum of
// another one; the caller calls sum.
func (h *hashing) begin(size int64) {
	h.hash.Reset()
	if h.pieces = nil; size <= tree.ContentBlock {
		return
	}
	h.pieces, h.done = make(chan hashPiece, hashAhead), make(chan tree.Digest, 1)
	go func() { // ends when pieces is closed
		for p := range h.pieces {
			h.take(p)
		}
		h.done <- h.hash.Sum()
	}()
}

func (h *hashing) take(p hashPiece) {
	h.hash.Zeros(p.zeros)
	if p.data != nil {
		h.hash.Write(p.data.ReadOnlyData())
		p.data.Free()
	}
}

func (h *hashing) zeros(n int64) { h.add(hashPiece{zeros: n}) }

// write takes a reference of its own.
func (h *hashing) write(data mem.Buffer) {
	data.Ref()
	h.add(hashPiece{data: data})
}

func (h *hashing) add(p hashPiece) {
	if h.pieces != nil {
		h.pieces <- p
	} else {
		h.take(p)
	}
}

// sum returns the digest of what was taken.
func (h *hashing) sum() tree.Digest {
	if h.pieces == nil {
		return h.hash.Sum()
	}
	close(h.pieces)
	return <-h.done
}
