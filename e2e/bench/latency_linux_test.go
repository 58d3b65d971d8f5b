package bench_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The folder that is mirrored, and a file in it.
const (
	folders        = 1000
	filesPerFolder = 10
	fileSize       = 4 << 10
)

// patience is how long a change may take before the mirror is taken for broken.
const patience = time.Minute

// mirror is a program to measure. start mirrors source in replica, which does not exist yet, and returns when the two are equal and
// changes are followed; it leaves the end of the process to b.Cleanup.
type mirror struct {
	name  string
	start func(b *testing.B, source, replica string) (process int)
}

// mirrors are the programs to measure.
var mirrors = []mirror{
	{"lockstep", startLockstep},
}

// BenchmarkLatency measures the time from the close of a write to identical bytes in the replica, one change at a time, with 10,000
// files in 1,000 folders. It reports the median and the 99th percentile, the median fsync of the same disk to compare them with, and
// what the idle process costs.
func BenchmarkLatency(b *testing.B) {
	for _, m := range mirrors {
		b.Run(m.name, func(b *testing.B) {
			source, replica := filepath.Join(b.TempDir(), "source"), filepath.Join(b.TempDir(), "replica")
			fill(b, source)
			process := m.start(b, source, replica)
			random := rand.New(rand.NewPCG(1, 2))
			var taken []time.Duration
			for b.Loop() {
				name := fileName(random.IntN(folders), random.IntN(filesPerFolder))
				taken = append(taken, change(b, filepath.Join(source, name), filepath.Join(replica, name), random))
			}
			slices.Sort(taken)
			b.ReportMetric(milliseconds(quantile(taken, 0.50)), "p50-ms")
			b.ReportMetric(milliseconds(quantile(taken, 0.99)), "p99-ms")
			b.ReportMetric(milliseconds(fsync(b, filepath.Dir(replica))), "fsync-ms")
			idle(b, process)
		})
	}
}

// fill makes the folder to mirror.
func fill(b *testing.B, source string) {
	b.Helper()
	content := make([]byte, fileSize)
	for folder := range folders {
		if err := os.MkdirAll(filepath.Join(source, filepath.Dir(fileName(folder, 0))), 0o755); err != nil {
			b.Fatal(err)
		}
		for file := range filesPerFolder {
			if err := os.WriteFile(filepath.Join(source, fileName(folder, file)), content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func fileName(folder, file int) string {
	return fmt.Sprintf("folder-%02d/folder-%02d/file-%d", folder/100, folder%100, file)
}

// change writes new bytes to path and returns how long after the close its twin in the replica has them.
func change(b *testing.B, path, twin string, random *rand.Rand) time.Duration {
	b.Helper()
	const between = 50 * time.Microsecond
	content := make([]byte, fileSize)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.Fatal(err)
	}
	closed := time.Now()
	for {
		have, err := os.ReadFile(twin)
		taken := time.Since(closed)
		if err == nil && bytes.Equal(have, content) {
			return taken
		}
		if taken > patience {
			b.Fatalf("%s: still not mirrored after %v: %v", path, patience, err)
		}
		time.Sleep(between)
	}
}

// fsync returns the median time to bring a small new file to the disk that holds folder.
func fsync(b *testing.B, folder string) time.Duration {
	b.Helper()
	var taken []time.Duration
	for range 51 {
		f, err := os.CreateTemp(folder, "fsync")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(make([]byte, fileSize)); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		taken = append(taken, time.Since(start))
		f.Close()
		os.Remove(f.Name())
	}
	slices.Sort(taken)
	return quantile(taken, 0.50)
}

// quantile returns the value below which that part of the sorted durations lies.
func quantile(sorted []time.Duration, part float64) time.Duration {
	return sorted[int(part*float64(len(sorted)-1))]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
