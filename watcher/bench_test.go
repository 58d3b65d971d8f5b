package watcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// waiter is a sink for benchmarks: it passes on when it was called.
type waiter struct {
	ready chan Coverage
	dirty chan []string
}

func (s waiter) Dirty(paths []string, _ Origin) { s.dirty <- paths }
func (s waiter) Ready(c Coverage)               { s.ready <- c }
func (s waiter) Rescan(Reason)                  {}
func (s waiter) Notice(Notice)                  {}

// start runs a watcher until the returned function is called.
func start(root string, o Options) (waiter, func()) {
	s := waiter{ready: make(chan Coverage, 1), dirty: make(chan []string, 1024)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- New(root, o).Run(ctx, s) }()
	return s, func() { cancel(); <-ended }
}

// From the system call that makes an event to the call of the sink, without quiet time.
func BenchmarkEventToSink(b *testing.B) {
	for _, folders := range []int{1, 1000} {
		b.Run(fmt.Sprintf("folders=%d", folders), func(b *testing.B) {
			root := b.TempDir()
			for i := range folders {
				grow(b, root, fmt.Sprintf("d%d/f", i))
			}
			s, stop := start(root, Options{})
			defer stop()
			<-s.ready
			name := filepath.Join(root, "d0", "f")
			b.ResetTimer()
			for i := range b.N {
				must(b, os.Chmod(name, 0o600+os.FileMode(i%2)))
				<-s.dirty
			}
		})
	}
}

// From the start to ready with 10,000 folders of 10 entries.
func BenchmarkWatch10000Folders(b *testing.B) {
	root := b.TempDir()
	for i := range 100 {
		for j := range 100 {
			grow(b, root, fmt.Sprintf("folder-%d/folder-%d/", i, j))
			for k := range 9 {
				must(b, os.Symlink("x", filepath.Join(root, fmt.Sprintf("folder-%d/folder-%d/entry-%d", i, j, k))))
			}
		}
	}
	before := liveBytes()
	var elapsed time.Duration
	for b.Loop() {
		s, stop := start(root, Defaults())
		c := <-s.ready
		elapsed += c.Elapsed
		b.StopTimer()
		b.ReportMetric(float64(liveBytes()-before)/float64(c.Watched), "B/folder")
		stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(elapsed.Milliseconds())/float64(b.N), "ms/ready")
}

func liveBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A polled tree of 1,000 folders and 10,000 entries, looked at once.
func BenchmarkPollRound(b *testing.B) {
	root := b.TempDir()
	for i := range 1000 {
		for j := range 9 {
			grow(b, root, fmt.Sprintf("folder-%d/entry-%d", i, j))
		}
	}
	w := New(root, Defaults())
	w.remote = func(*handle) string { return "nfs" }
	r := newRun(w, newRecorder())
	for r.turn(); !r.ready; {
		r.turn()
	}
	defer r.closeBackend()
	for b.Loop() {
		for _, f := range r.tree.polled {
			r.look(r.here(), f)
		}
	}
	r.leave()
}
