package reconcile

import (
	"fmt"
	"testing"

	"lockstep/reconcile/tree"
)

// A path that is dirty already, as most are in a storm.
func BenchmarkQueueCoalesce(b *testing.B) {
	paths := make([]tree.Path, 1000)
	for i := range paths {
		paths[i] = tree.Path(fmt.Sprintf("a/b/folder-%d/file-%d", i/100, i))
	}
	q := newQueue(2)
	defer q.close()
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range paths {
			q.add(p, dirt{cause: ByWatch})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(paths)), "ns/path")
}

// The digest of a folder of a thousand entries.
func BenchmarkNode(b *testing.B) {
	names, leaves := make([]string, 1000), make([]tree.Digest, 1000)
	for i := range names {
		names[i], leaves[i] = fmt.Sprintf("file-%04d", i), tree.Digest{1, byte(i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		n := newNode(nil, 0)
		n.begin(tree.Digest{1}, names, leaves, 0)
		n.close()
		if n.sum().IsZero() {
			b.Fatal("no digest")
		}
	}
}
