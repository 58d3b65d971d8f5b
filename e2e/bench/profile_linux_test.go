package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/tree"
)

// size is the size of the trees, as the flag -scale of the program.
var size = flag.Float64("scale", 0.1, "size of the trees; 1 for the whole")

// once makes a pass, in this process.
func once(b *testing.B, source, replica string, d local.Durability, m tree.Method) reconcile.Report {
	b.Helper()
	s, err := local.OpenSource(source)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r, err := local.OpenReplica(replica, local.ReplicaOptions{Durability: d})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	report, err := reconcile.New(s, r, reconcile.Options{Method: m}).Once(b.Context())
	if err != nil || !report.Equal {
		b.Fatalf("not equal: %+v %v", report, err)
	}
	return report
}

// grown makes the trees that stand for a pair, in the temporary folder: TMPDIR chooses the file system.
func grown(b *testing.B, s shape, roots ...string) {
	b.Helper()
	for _, root := range roots {
		if err := s.grow(context.Background(), root); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPass compares trees that are equal, by content and by metadata.
func BenchmarkPass(b *testing.B) {
	o := options{scale: *size}
	for name, s := range map[string]shape{"T1": t1(o), "T4": t4(o)} {
		b.Run(name, func(b *testing.B) {
			source, replica := filepath.Join(b.TempDir(), "source"), filepath.Join(b.TempDir(), "replica")
			grown(b, s, source, replica)
			for _, m := range []struct {
				name   string
				method tree.Method
			}{{"content", tree.ByContent}, {"metadata", tree.ByMetadata}} {
				b.Run(m.name, func(b *testing.B) {
					once(b, source, replica, local.NeverSync, m.method) // brings everything into memory
					b.ReportAllocs()
					files := int64(0)
					for b.Loop() {
						files += once(b, source, replica, local.NeverSync, m.method).Files
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(files), "ns/file")
				})
			}
		})
	}
}

// BenchmarkFirstCopy copies T1 into replicas that do not exist yet.
func BenchmarkFirstCopy(b *testing.B) {
	for name, d := range map[string]local.Durability{"none": local.NeverSync, "auto": local.Auto} {
		b.Run(name, func(b *testing.B) {
			folder := b.TempDir()
			source := filepath.Join(folder, "source")
			grown(b, t1(options{scale: *size}), source)
			b.ReportAllocs()
			files, copies := int64(0), 0
			for b.Loop() {
				files += once(b, source, filepath.Join(folder, fmt.Sprint("replica-", copies)), d, tree.ByContent).Files
				copies++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(files), "ns/file")
		})
	}
}
