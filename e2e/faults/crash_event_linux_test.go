//go:build amd64 || arm64

package faults_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/rig"
)

// move is a change that a running mirror follows: what is there before, and what happens to it.
type move struct {
	name        string
	old, change func(b builder)
}

var moves = []move{
	{"renamed file", func(b builder) { b.file("f", small); b.folder("d") }, renamed("f", "d/g")},
	{"renamed large file", func(b builder) { b.file("f", large) }, renamed("f", "g")},
	{"renamed folder", func(b builder) { fullFolder(b, "d"); b.folder("to") }, renamed("d", "to/d")},
	{"renamed over a file", func(b builder) { b.file("f", small); b.file("g", large) }, renamed("f", "g")},
	{"renamed symlink", func(b builder) { b.symlink("l", "text") }, renamed("l", "m")},
	{"exchanged files", func(b builder) { b.file("f", small); b.file("g", large) }, exchanged("f", "g")},
	{"exchanged file and folder", func(b builder) { b.file("f", small); fullFolder(b, "d") }, exchanged("f", "d")},
	{"removed while it is followed", func(b builder) { fullFolder(b, "d"); b.file("f", small) },
		func(b builder) { must(b.t, os.RemoveAll(b.path("d"))) }},
}

func renamed(old, new string) func(builder) {
	return func(b builder) {
		b.t.Helper()
		must(b.t, os.Rename(b.path(old), b.path(new)))
	}
}

func exchanged(one, other string) func(builder) {
	return func(b builder) {
		b.t.Helper()
		must(b.t, unix.Renameat2(unix.AT_FDCWD, b.path(one), unix.AT_FDCWD, b.path(other), unix.RENAME_EXCHANGE))
	}
}

// TestCrashWhileFollowing is TestCrash for what comes by events.
func TestCrashWhileFollowing(t *testing.T) {
	needRoot(t)
	var points atomic.Int64
	t.Run("kinds", func(t *testing.T) {
		for _, m := range moves {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				for n := 1; followUntil(t, m, n); n += stride() {
					points.Add(1)
				}
			})
		}
	})
	t.Logf("%d crash points", points.Load())
}

// followUntil lets a mirror follow a move until it is killed at the n-th point, and reports whether it came to that.
func followUntil(t *testing.T, m move, n int) bool {
	s := newScene(t)
	source := builder{t, s.source, before}
	kept(source)
	m.old(source)
	s.once()
	from := s.read(s.replica)
	var moved atomic.Bool
	var at atomic.Int64
	p, supervised := s.startIntercepted(func(c intercept.Call) intercept.Verdict {
		if !moved.Load() || !complete() && !(c.Changes() && s.room(c.Path) == "replica") {
			return intercept.Continue
		}
		if at.Add(1) == int64(n) {
			return intercept.Kill
		}
		return intercept.Continue
	}, "--interval", "1h", "--quiet", "--workers", "1")
	must(t, p.Ready())
	moved.Store(true)
	m.change(source)
	to := s.read(s.source)
	must(t, rig.Await(rig.Patience, func() error {
		if at.Load() >= int64(n) {
			return nil
		}
		return s.unequal()
	}))
	hit := at.Load() >= int64(n)
	if !hit {
		moved.Store(false)
		s.ends(p)
	}
	must(t, <-supervised)
	if _, err := p.Exit(rig.Patience); err != nil {
		t.Fatal(err)
	}
	for _, what := range torn(from, to, s.read(s.replica)) {
		t.Errorf("crash at point %d: %s", n, what)
	}
	s.once()
	if s.equal(); t.Failed() {
		t.Fatalf("after a crash at point %d", n)
	}
	must(t, os.RemoveAll(filepath.Dir(s.source)))
	return hit
}
