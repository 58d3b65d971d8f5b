package chunk

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/zeebo/blake3"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// BenchmarkIndex notes files of one chunk each.
func BenchmarkIndex(b *testing.B) {
	const files = 100_000
	for b.Loop() {
		x, err := OpenIndex(filepath.Join(b.TempDir(), "index"))
		if err != nil {
			b.Fatal(err)
		}
		for i := range files {
			path := tree.Path(fmt.Sprintf("folder %d/sub %d/file %d", i/5000, i/100, i))
			name := wire.ChunkIDOf(blake3.Sum256([]byte(path)))
			x.Note(File{Path: path, Size: 1000, Chunks: []Chunk{{Name: name}}})
		}
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
