package local

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// benchFiles is how many files of about 2 KiB stand in the folder of one
// benchmark; the figures are for each.
const benchFiles = 1000

func benchSource(b *testing.B) (*Source, *Replica, []tree.Entry, tree.SourceFolder) {
	s, source, r, _ := sourceAndReplica(b)
	for i := range benchFiles {
		write(b, fmt.Sprintf("%s/file%d", source, i), strings.Repeat("x", 1024+i*37%2048))
	}
	f := folderOf(b, s, tree.Root)
	list, err := f.List()
	ok(b, err)
	return s, r, list, f
}

func BenchmarkApplyCopy(b *testing.B) {
	_, r, list, f := benchSource(b)
	actions := make([]tree.Action, len(list))
	remove := make([]tree.Action, len(list))
	for i, e := range list {
		path := tree.Path(e.Name)
		actions[i] = tree.Action{Kind: tree.Copy, Path: path, Want: e, Hash: true, Open: func() (tree.Content, error) { return f.Open(e.Name) }}
		remove[i] = tree.Action{Kind: tree.Remove, Path: path, Over: tree.File}
	}
	b.ReportAllocs()
	files := 0
	for b.Loop() {
		for _, out := range r.Apply(context.Background(), actions) {
			ok(b, out.Err)
		}
		files += len(actions)
		b.StopTimer()
		r.Apply(context.Background(), remove)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(files), "ns/file")
}

func BenchmarkCompare(b *testing.B) {
	s, r, list, f := benchSource(b)
	equal(b, s, r)
	for name, method := range map[string]tree.Method{"content": tree.ByContent, "metadata": tree.ByMetadata} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			files := 0
			for b.Loop() {
				c, err := r.Compare(context.Background(), tree.Subject{Folder: f, Entries: list, Method: method})
				if err != nil || len(c.Drift) > 0 {
					b.Fatalf("%v %+v", err, c.Drift)
				}
				files += len(list)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(files), "ns/file")
		})
	}
}

func BenchmarkCompareBigFile(b *testing.B) {
	s, source, r, _ := sourceAndReplica(b)
	const size = 256 << 20
	ok(b, os.WriteFile(source+"/file", []byte(strings.Repeat("0123456789abcdef", size/16)), 0o600))
	equal(b, s, r)
	f := folderOf(b, s, tree.Root)
	list, err := f.List()
	ok(b, err)
	b.SetBytes(size)
	for b.Loop() {
		if c, err := r.Compare(context.Background(), tree.Subject{Folder: f, Entries: list}); err != nil || len(c.Drift) > 0 {
			b.Fatalf("%v %+v", err, c.Drift)
		}
	}
}
