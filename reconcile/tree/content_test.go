package tree

import (
	"bytes"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"
)

func TestContentHashOfOneBlockIsBLAKE3(t *testing.T) {
	for _, n := range []int{0, 1, 4096, ContentBlock} {
		content := bytes.Repeat([]byte{7}, n)
		if got, want := HashContent(content), Digest(blake3.Sum256(content)); got != want {
			t.Errorf("%d bytes: %v, want %v", n, got, want)
		}
	}
}

// However content comes in, and whether its zeros are holes or bytes, the
// digest is the same.
func TestContentHashOfPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var content []byte
		var pieced ContentHash
		if rapid.Bool().Draw(t, "reused") {
			pieced.Write([]byte("of another file"))
			pieced.Reset()
		}
		for range rapid.IntRange(0, 5).Draw(t, "pieces") {
			n := rapid.SampledFrom([]int{0, 1, 4095, ContentBlock - 1, ContentBlock, ContentBlock + 1, 2*ContentBlock + 5}).Draw(t, "length")
			fill := rapid.SampledFrom([]byte{0, 1}).Draw(t, "fill")
			piece := bytes.Repeat([]byte{fill}, n)
			content = append(content, piece...)
			if fill == 0 {
				pieced.Zeros(int64(n))
			} else {
				pieced.Write(piece)
			}
		}
		if got, want := pieced.Sum(), HashContent(content); got != want {
			t.Fatalf("%d bytes: %v in pieces, %v at once", len(content), got, want)
		}
	})
}

func TestContentHashTellsContentsApart(t *testing.T) {
	seen := map[Digest]int{}
	for i, content := range [][]byte{
		nil, {0}, make([]byte, ContentBlock), make([]byte, ContentBlock+1), make([]byte, 2*ContentBlock),
		append(make([]byte, ContentBlock), 1), append([]byte{1}, make([]byte, ContentBlock)...),
	} {
		d := HashContent(content)
		if j, ok := seen[d]; ok {
			t.Errorf("contents %d and %d have one digest", i, j)
		}
		seen[d] = i
	}
}
