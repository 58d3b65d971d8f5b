//go:build amd64 || arm64

package faults_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// publish is one way in which the replica changes: what is there before, and what the source has.
type publish struct {
	name     string
	old, new func(b builder)
}

func nothing(builder) {}

// kept keeps the source from being empty: to such a one no removal is believed.
func kept(b builder) { b.time = before; b.file("kept", small) }

// publishes are all of them.
var publishes = []publish{
	{"start", kept, kept},
	{"new file", nothing, func(b builder) { b.file("f", small) }},
	{"new large file", nothing, func(b builder) { b.file("f", large) }},
	{"empty file", nothing, func(b builder) { b.file("f", 0) }},
	{"file with attributes", nothing, func(b builder) { b.file("f", small); b.xattr("f", "red"); b.stamp("f") }},
	{"many files", func(b builder) { manyFiles(b, small) }, func(b builder) { manyFiles(b, small+1) }},
	{"many new files", nothing, func(b builder) { manyFiles(b, small) }},
	{"replaced file", func(b builder) { b.file("f", small) }, func(b builder) { b.file("f", small) }},
	{"replaced large file", func(b builder) { b.file("f", large) }, func(b builder) { b.file("f", large) }},
	{"emptied file", func(b builder) { b.file("f", small) }, func(b builder) { b.file("f", 0) }},
	{"new symlink", nothing, func(b builder) { b.symlink("l", "text") }},
	{"replaced symlink", func(b builder) { b.symlink("l", "old") }, func(b builder) { b.symlink("l", "new") }},
	{"new hard link", func(b builder) { b.file("f", small) }, func(b builder) { b.file("f", small); b.link("f", "g") }},
	{"hard link for file",
		func(b builder) { b.file("f", small); b.file("g", small) },
		func(b builder) { b.file("f", small); b.link("f", "g") }},
	{"file for hard link",
		func(b builder) { b.file("f", small); b.link("f", "g") },
		func(b builder) { b.file("f", small); b.file("g", small) }},
	{"new folder", nothing, func(b builder) { fullFolder(b, "d") }},
	{"folder for file", func(b builder) { b.file("x", small) }, func(b builder) { fullFolder(b, "x") }},
	{"file for folder", func(b builder) { fullFolder(b, "x") }, func(b builder) { b.file("x", small) }},
	{"symlink for folder", func(b builder) { fullFolder(b, "x") }, func(b builder) { b.symlink("x", "text") }},
	{"folder for symlink", func(b builder) { b.symlink("x", "text") }, func(b builder) { fullFolder(b, "x") }},
	{"symlink for file", func(b builder) { b.file("x", small) }, func(b builder) { b.symlink("x", "text") }},
	{"file for symlink", func(b builder) { b.symlink("x", "text") }, func(b builder) { b.file("x", small) }},
	{"fifo for file", func(b builder) { b.file("x", small) }, func(b builder) { b.fifo("x") }},
	{"file for fifo", func(b builder) { b.fifo("x") }, func(b builder) { b.file("x", small) }},
	{"removed file", func(b builder) { b.file("f", small); b.file("g", small) }, func(b builder) { b.file("g", small) }},
	{"removed folder", func(b builder) { fullFolder(b, "d"); b.file("g", small) }, func(b builder) { b.file("g", small) }},
	{"metadata", func(b builder) { sameFile(b, 0o600, "red") }, func(b builder) { sameFile(b, 0o755, "blue") }},
}

func fullFolder(b builder, name string) {
	b.folder(name)
	b.file(name+"/a", small)
	b.folder(name + "/sub")
	b.symlink(name+"/sub/l", "../a")
	b.stamp(name + "/sub")
	b.stamp(name)
}

// manyFiles are more than are synced one by one.
func manyFiles(b builder, size int) {
	for i := range 7 {
		b.file(fmt.Sprintf("f%d", i), size)
	}
}

// sameFile makes a file whose content does not depend on the time.
func sameFile(b builder, mode uint32, colour string) {
	must(b.t, os.WriteFile(b.path("f"), []byte("content"), 0o600))
	must(b.t, unix.Chmod(b.path("f"), mode))
	must(b.t, unix.Chown(b.path("f"), int(mode), int(mode)))
	b.xattr("f", colour)
	b.stamp("f")
}

// build makes the folders of a scene as the publish has them.
func (s *scene) build(p publish) {
	p.old(builder{s.t, s.replica, before})
	p.new(builder{s.t, s.source, after})
}

// TestCrash kills the mirror before every call that changes the replica, for each kind of publish; every other call too when it soaks.
// At every step a reader of the replica sees the old or the new version, and after it the next start makes the trees equal.
//
// Scenarios: F1, F2, O2.
func TestCrash(t *testing.T) {
	needRoot(t)
	var points atomic.Int64
	t.Run("kinds", func(t *testing.T) {
		for _, p := range publishes {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				points.Add(int64(crashEverywhere(p, func() *scene { return newScene(t) })))
			})
		}
	})
	t.Logf("%d crash points", points.Load())
}

// TestCrashOnDisk is TestCrash for how content gets into large files and to disk on file systems that share blocks, and that do not.
func TestCrashOnDisk(t *testing.T) {
	needRoot(t)
	for _, kind := range diskKinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t, kind, 320<<20)
			points := 0
			for _, p := range publishes {
				if strings.Contains(p.name, "large") || strings.Contains(p.name, "folder for") {
					points += crashEverywhere(p, func() *scene { return sceneIn(t, d.folder()) })
				}
			}
			t.Logf("%d crash points", points)
		})
	}
}

// crashEverywhere crashes at each point of a publish in turn, in a new scene each, and returns how many there were.
func crashEverywhere(p publish, newScene func() *scene) int {
	points := 0
	for n := 1; ; n += stride() {
		s := newScene()
		t := s.t
		s.build(p)
		hit := s.crash(n, p.name == "start")
		if t.Failed() {
			t.Fatalf("crash at point %d", n)
		}
		if !hit {
			return points
		}
		points++
		s.once()
		if s.equal(); t.Failed() {
			t.Fatalf("after a crash at point %d", n)
		}
		must(t, os.RemoveAll(s.source))
		must(t, os.RemoveAll(s.replica))
	}
}

// stride is from one point to the next: what is killed has no race to report, so that there a few do.
func stride() int {
	if rig.Race {
		return 40
	}
	return 1
}

// crash makes a pass that is killed at the n-th point, and reports whether it came to that. What happens before the first line is in
// the log are points only for fromStart.
func (s *scene) crash(n int, fromStart bool) bool {
	from, to := s.read(s.replica), s.read(s.source)
	started := fromStart
	at := 0
	p, code := s.intercepted(func(c intercept.Call) intercept.Verdict {
		started = started || c.Path == s.log && c.Name == "write"
		if !started || !complete() && !(c.Changes() && s.room(c.Path) == "replica") {
			return intercept.Continue
		}
		if at++; at == n {
			return intercept.Kill
		}
		return intercept.Continue
	}, "--once", "--quiet", "--workers", "1")
	for _, what := range torn(from, to, s.read(s.replica)) {
		s.t.Error(what)
	}
	if at >= n {
		if code != -int(unix.SIGKILL) {
			s.t.Errorf("killed, but ended with %d", code)
		}
		return true
	}
	if code != 0 {
		s.t.Errorf("ended with %d, not killed\n%s", code, p.Output())
	}
	log, err := p.Log()
	must(s.t, err)
	if !bytes.Contains(log, []byte(`"event":"stopped"`)) {
		s.t.Errorf("no end in the log:\n%s", log)
	}
	s.equal()
	return false
}

// read takes down what a folder holds.
func (s *scene) read(root string) judge.Tree {
	s.t.Helper()
	tree, err := judge.Read(root)
	must(s.t, err)
	return tree
}
