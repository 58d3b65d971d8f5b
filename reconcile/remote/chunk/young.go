package chunk

import (
	"encoding/binary"

	"lockstep/reconcile/remote/wire"
)

// young knows which chunks an index cannot have that was empty when it was
// opened: a first push asks for every chunk, and nearly none is there. It is a
// Bloom filter (CACM 13, 7, 1970); names are hashes, so parts of one will do
// for the places. A nil one knows of none. The caller holds the index's mu.
type young struct {
	bits [youngBits / 64]uint64
}

// youngBits makes half a megabyte: of what is not there, one in a thousand is
// looked for in vain beside 70,000 chunks, and one in seven beside a million.
const youngBits = 4 << 20

func places(name wire.ChunkID) [2]uint32 {
	return [...]uint32{binary.LittleEndian.Uint32(name[:]) % youngBits, binary.LittleEndian.Uint32(name[4:]) % youngBits}
}

func (y *young) add(chunks []Chunk) {
	if y == nil {
		return
	}
	for _, c := range chunks {
		for _, at := range places(c.Name) {
			y.bits[at/64] |= 1 << (at % 64)
		}
	}
}

// lacks reports whether no chunk of that name was added.
func (y *young) lacks(name wire.ChunkID) bool {
	if y == nil {
		return false
	}
	for _, at := range places(name) {
		if y.bits[at/64]&(1<<(at%64)) == 0 {
			return true
		}
	}
	return false
}
