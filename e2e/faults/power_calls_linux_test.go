//go:build amd64 || arm64

package faults_test

// The power is cut before single calls that change the replica.

import (
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
)

// lasting are the publishes of which the disk may come to know less, or more, than happened.
var lasting = []string{
	"many files", "many new files", "replaced file", "replaced large file", "emptied file", "replaced symlink", "hard link for file",
	"file for hard link", "folder for file", "file for folder", "file with attributes", "metadata",
}

// TestPowerAtCalls cuts the power before calls that change the replica, one after the other, for each kind of publish; before all of them
// when it soaks. What is on disk then is the old or the new version of everything, and a pass that ends before has brought all of it there.
//
// Scenarios: O2, O3.
func TestPowerAtCalls(t *testing.T) {
	needRoot(t)
	var points atomic.Int64
	t.Run("kinds", func(t *testing.T) {
		for _, kind := range diskKinds() {
			for name, how := range map[string]int{"names first": namesFirst, "as is": asIs} {
				t.Run(kind+" "+name, func(t *testing.T) {
					t.Parallel()
					d := newDisk(t, kind, 320<<20)
					for i, p := range publishes {
						if !slices.Contains(lasting, p.name) {
							continue
						}
						n, step := 1, sampled*stride()
						if n += i % step; complete() {
							n, step = 1, 1
						}
						for ; powerAtCall(d, p, n, how); n += step {
							points.Add(1)
						}
					}
				})
			}
		}
	})
	t.Logf("%d cuts", points.Load())
}

// sampled is of how many calls one is tried.
const sampled = 7

// powerAtCall makes a pass, cuts the power at the n-th point, and reports whether it came to that.
func powerAtCall(d *disk, p publish, n, how int) bool {
	s := d.scene()
	t := s.t
	s.build(p)
	d.sync()
	from, to := s.read(s.replica), s.read(s.source)
	started, at := false, 0
	process, code := s.intercepted(func(c intercept.Call) intercept.Verdict {
		started = started || c.Path == s.log && c.Name == "write"
		if !started || !c.Changes() || s.room(c.Path) != "replica" {
			return intercept.Continue
		}
		if at++; at < n {
			return intercept.Continue
		}
		d.cutPower(how)
		return intercept.Kill
	}, "--once", "--quiet", "--workers", "1")
	hit := at >= n
	if !hit {
		d.cutPower(how)
	}
	d.unmount()
	d.mount()
	if hit {
		for _, what := range torn(from, to, s.read(s.replica)) {
			t.Errorf("%s, power cut at point %d: %s", p.name, n, what)
		}
		s.once()
	} else if code != 0 {
		t.Errorf("ended with %d\n%s", code, process.Output())
	}
	if s.equal(); t.Failed() {
		t.Fatalf("%s, after a power cut at point %d (was reached: %v)", p.name, n, hit)
	}
	must(t, os.RemoveAll(s.source))
	must(t, os.RemoveAll(s.replica))
	return hit
}

// sync brings everything to the disk.
func (d *disk) sync() {
	d.t.Helper()
	fd, err := unix.Open(d.point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(d.t, err)
	defer unix.Close(fd)
	must(d.t, unix.Syncfs(fd))
}
