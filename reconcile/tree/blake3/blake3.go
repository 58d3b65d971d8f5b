// Package blake3 hashes content of up to [Most] bytes with BLAKE3. Where the
// processor has AVX-512 it does 16 chunks side by side, or eight where there are
// no more, in about half the time that it takes github.com/zeebo/blake3, which
// does it elsewhere.
package blake3

import (
	"sync"

	narrow "github.com/zeebo/blake3"
)

// Most is the longest content.
const Most = 1 << 20

// few is up to how many bytes there is nothing to do side by side.
const few = chunkBytes

// Hasher hashes content that comes in pieces. Write returns no error. Nothing
// can be written between Sum and Reset.
type Hasher interface {
	Write(p []byte) (int, error)
	Sum(to []byte) []byte
	Reset()
}

// New returns a Hasher.
func New() Hasher {
	if wide() {
		return new(hasher)
	}
	return narrow.New()
}

var hashers = sync.Pool{New: func() any { return new(hasher) }}

// Sum256 returns the hash of content.
func Sum256(content []byte) [32]byte {
	if !wide() || len(content) <= few || len(content) > Most {
		return narrow.Sum256(content)
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.Reset()
	h.Write(content)
	return h.root()
}
