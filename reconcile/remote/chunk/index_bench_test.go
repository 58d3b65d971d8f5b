package chunk

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/zeebo/blake3"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// manyFiles returns files of one chunk each, folder by folder.
func manyFiles() []File {
	files := make([]File, 100_000)
	for i := range files {
		path := tree.Path(fmt.Sprintf("folder %d/sub %d/file %06d", i/5000, i/100, i))
		name := wire.ChunkIDOf(blake3.Sum256([]byte(path)))
		files[i] = File{Path: path, Size: 1000, Chunks: []Chunk{{Name: name}}}
	}
	return files
}

// fill notes files in the index in a file.
func fill(b *testing.B, path string, files []File) {
	x, err := OpenIndex(path, unexpected(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		x.Note(f)
	}
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkIndex notes files in a new index.
func BenchmarkIndex(b *testing.B) {
	files := manyFiles()
	b.ReportAllocs()
	for b.Loop() {
		fill(b, filepath.Join(b.TempDir(), "index"), files)
	}
}

// BenchmarkIndexFull asks an index that was full when it was opened.
func BenchmarkIndexFull(b *testing.B) {
	files := manyFiles()
	path := filepath.Join(b.TempDir(), "index")
	fill(b, path, files)
	x, err := OpenIndex(path, unexpected(b))
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	b.Run("there", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, ok := x.Find(files[i*7919%len(files)].Chunks[0].Name); !ok {
				b.Fatal("a chunk is lost")
			}
		}
	})
	b.Run("not there", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			name := files[i*7919%len(files)].Chunks[0].Name
			name[7]++
			x.Find(name)
		}
	})
	b.Run("versions", func(b *testing.B) { // of a hundred files
		entries := make([]tree.Entry, 100)
		for i := 0; b.Loop(); i++ {
			first := i * 100 % len(files)
			for j := range entries {
				entries[j] = tree.Entry{Name: files[first+j].Path.Name(), Size: 1000}
			}
			if v := x.Versions(files[first].Path.Parent(), entries); !v.Knows(50, entries[50]) {
				b.Fatal("a version is lost")
			}
		}
	})
}
