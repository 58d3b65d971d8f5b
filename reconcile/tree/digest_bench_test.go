package tree_test

import (
	"fmt"
	"testing"

	"lockstep/reconcile/tree"
)

// What a file's content costs, by its length.
func BenchmarkHashContent(b *testing.B) {
	for _, size := range []int{128, 2 << 10, 64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			content := make([]byte, size)
			for i := range content {
				content[i] = byte(i * 7)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				tree.HashContent(content)
			}
		})
	}
}

// What every entry of a tree costs besides its content.
func BenchmarkLeafDigest(b *testing.B) {
	traits := tree.Traits{Owners: true}
	e := tree.Entry{Kind: tree.File, Mode: 0o644, Size: 2048, ModTime: tree.Time{Sec: 1_700_000_000, Nsec: 123_456_789}}
	content := tree.HashContent([]byte("content"))
	b.ReportAllocs()
	for b.Loop() {
		traits.LeafDigest(e, content)
	}
}

func BenchmarkFolderHash(b *testing.B) {
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("file-%04d", i)
	}
	leaf := tree.HashContent([]byte("leaf"))
	b.ReportAllocs()
	for b.Loop() {
		h := tree.NewFolderHash(leaf)
		for _, name := range names {
			h.Add(name, leaf)
		}
		h.Sum()
	}
}
