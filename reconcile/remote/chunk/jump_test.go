package chunk

import (
	"math/rand/v2"
	"testing"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	"github.com/PlakarKorp/go-cdc-chunkers/chunkers/jc"
)

// Chunks that a server remembers are found again: the cuts are those of the
// package that made them.
func TestCutsAreThoseOfJC(t *testing.T) {
	options := chunkers.ChunkerOpts{MinSize: least, NormalSize: normal, MaxSize: most}
	var theirs jc.JC
	if err := theirs.Setup(&options); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 24<<20)
	rand.NewChaCha8([32]byte{1}).Read(data[:16<<20])
	for i := 17 << 20; i < len(data); i++ { // less random, and a stretch of zeros before it
		data[i] = byte(rand.N(3))
	}
	for at := 0; at < len(data); {
		rest := data[at:min(len(data), at+most+at%7)]
		for _, stretch := range [][]byte{rest, rest[:len(rest)/2], rest[:len(rest)/5]} {
			if got, want := nextCut(stretch), theirs.Algorithm(&options, stretch, len(stretch)); got != want {
				t.Fatalf("%d bytes at %d: a chunk of %d, want %d", len(stretch), at, got, want)
			}
		}
		at += nextCut(rest)
	}
}

func BenchmarkNextCut(b *testing.B) {
	data := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{2}).Read(data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for rest := data; len(rest) > 0; {
			rest = rest[nextCut(rest):]
		}
	}
}
