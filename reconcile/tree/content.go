package tree

import (
	outer "github.com/zeebo/blake3"

	"lockstep/reconcile/tree/blake3"
)

// ContentBlock is the length in bytes of the blocks by which [ContentHash]
// takes content apart.
const ContentBlock = 1 << 20

// The context that keeps the hash over blocks apart from every hash of bytes
// (BLAKE3 specification, section 2.3, derive_key).
const contentContext = "lockstep 2026 content of more than one block of 1 MiB"

// zeroBlock is the BLAKE3 hash of a block of zeros.
var zeroBlock = Digest{
	0x48, 0x8d, 0xe2, 0x02, 0xf7, 0x3b, 0xd9, 0x76, 0xde, 0x4e, 0x70, 0x48, 0xf4, 0xe1, 0xf3, 0x9a,
	0x77, 0x6d, 0x86, 0xd5, 0x82, 0xb7, 0x34, 0x8f, 0xf5, 0x3b, 0xf4, 0x32, 0xb9, 0x87, 0xfc, 0xa8,
}

// ContentHash makes the digest of a file's content. Up to [ContentBlock] bytes
// it is their BLAKE3 hash; of more it is a BLAKE3 hash over the hashes of the
// blocks. So a block of zeros costs nothing, whether it is a hole or was
// written, and the digest of equal bytes is the same either way. The zero
// ContentHash is ready for use.
type ContentHash struct {
	block  blake3.Hasher // what is begun of a block
	begun  int
	blocks *outer.Hasher
	first  Digest
	total  int64
}

// HashContent returns the digest of a whole content.
func HashContent(content []byte) Digest {
	if len(content) <= ContentBlock {
		return blake3.Sum256(content)
	}
	var h ContentHash
	h.Write(content)
	return h.Sum()
}

// Reset makes h as new, but keeps what it has allocated.
func (h *ContentHash) Reset() {
	if h.block != nil {
		h.block.Reset()
	}
	if h.blocks != nil {
		h.blocks.Reset()
	}
	h.begun, h.total, h.first = 0, 0, Digest{}
}

// Write takes the next bytes. It returns no error.
func (h *ContentHash) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if h.begun == 0 && len(p) >= ContentBlock {
			h.add(blake3.Sum256(p[:ContentBlock]), ContentBlock)
			p = p[ContentBlock:]
			continue
		}
		piece := p[:min(len(p), ContentBlock-h.begun)]
		if h.block == nil {
			h.block = blake3.New()
		}
		h.block.Write(piece)
		h.begun += len(piece)
		if h.begun == ContentBlock {
			h.endBlock()
		}
		p = p[len(piece):]
	}
	return n, nil
}

// ZerosAtOnce is how many bytes of a hole are hashed before somebody may end
// that: a few milliseconds of what takes days for the largest hole there can be.
const ZerosAtOnce = 64 << 30

// Zeros takes n zero bytes, as [ContentHash.Write] would.
func (h *ContentHash) Zeros(n int64) {
	if n == 0 {
		return
	}
	var zeros [4096]byte
	for n > 0 {
		if h.begun == 0 && n >= ContentBlock {
			h.add(zeroBlock, ContentBlock)
			n -= ContentBlock
			continue
		}
		piece := min(n, int64(len(zeros)), int64(ContentBlock-h.begun))
		h.Write(zeros[:piece])
		n -= piece
	}
}

// Block takes a block of which the BLAKE3 hash is known: n bytes, which are
// [ContentBlock] of them for all but the last. What was taken before must have
// ended with a block.
func (h *ContentHash) Block(hash Digest, n int) { h.add(hash, n) }

// HashBlock returns what [ContentHash.Block] takes for a block.
func HashBlock(block []byte) Digest { return blake3.Sum256(block) }

// Sum returns the digest of what was taken; nothing can be taken after it
// until [ContentHash.Reset].
func (h *ContentHash) Sum() Digest {
	if h.begun > 0 || h.total == 0 {
		if h.block == nil {
			h.block = blake3.New()
		}
		h.endBlock()
	}
	if h.total <= ContentBlock {
		return h.first
	}
	var d Digest
	h.blocks.Sum(d[:0])
	return d
}

func (h *ContentHash) endBlock() {
	var d Digest
	h.block.Sum(d[:0])
	h.add(d, h.begun)
	h.block.Reset()
	h.begun = 0
}

func (h *ContentHash) add(block Digest, n int) {
	if h.total == 0 {
		h.first = block
	} else {
		if h.total == ContentBlock { // only now it is known to be more than one
			if h.blocks == nil {
				h.blocks = outer.NewDeriveKey(contentContext)
			}
			h.blocks.Write(h.first[:])
		}
		h.blocks.Write(block[:])
	}
	h.total += int64(n)
}
