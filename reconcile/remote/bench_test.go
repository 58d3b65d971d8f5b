package remote_test

import (
	"fmt"
	"go/build"
	"path/filepath"
	"testing"

	"lockstep/reconcile/remote/client"
)

// BenchmarkUnchanged is a pass over many small files of which none changed.
func BenchmarkUnchanged(b *testing.B) {
	const folders, files = 200, 100
	source := b.TempDir()
	for i := range folders * files {
		write(b, filepath.Join(source, fmt.Sprint("folder", i%20), fmt.Sprint(i%folders), fmt.Sprint(i)), bytesOf(uint64(i), 1000))
	}
	p := newPlace(b, filepath.Join(b.TempDir(), "replica"))
	r := p.open(client.Options{})
	mirrorOnce(b, source, r)
	p.wire()
	for b.Loop() {
		equal(b, source, r)
	}
	b.ReportMetric(float64(p.wire())/float64(b.N), "wire-bytes/op")
}

// BenchmarkFirst is the first push of a file that nothing packs.
func BenchmarkFirst(b *testing.B) {
	const size = 256 << 20
	source := b.TempDir()
	write(b, filepath.Join(source, "big"), bytesOf(1, size))
	b.SetBytes(size)
	for b.Loop() {
		p := newPlace(b, filepath.Join(b.TempDir(), "replica"))
		mirrorOnce(b, source, p.open(client.Options{}))
	}
}

// BenchmarkTree is the first push of a real source tree.
func BenchmarkTree(b *testing.B) {
	source := filepath.Join(build.Default.GOROOT, "src")
	for b.Loop() {
		p := newPlace(b, filepath.Join(b.TempDir(), "replica"))
		mirrorOnce(b, source, p.open(client.Options{}))
	}
}
