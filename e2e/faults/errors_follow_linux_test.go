//go:build amd64 || arm64

package faults_test

import (
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/rig"
)

// TestErrorsWhileFollowing lets one system call of a running mirror fail with each error that it can give: it gets over that by itself.
// What is changed is followed by events, and a pass is due in an hour.
func TestErrorsWhileFollowing(t *testing.T) {
	needRoot(t)
	faults := chosen(placesOfFollowing(t), fewErrors)
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				followThrough(t, f)
			})
		}
	})
	t.Logf("%d faults", len(faults))
}

// upheaval turns the replica's tree of the fixture into the source's, in place.
func upheaval(b builder) {
	b.time = after
	for _, gone := range []string{"gone/d", "gone/f", "change/small", "change/file-to-folder", "change/folder-to-file", "change/l"} {
		must(b.t, os.RemoveAll(b.path(gone)))
	}
	b.file("change/small", small)
	b.symlink("change/l", "new")
	fullFolder(b, "change/file-to-folder")
	b.file("change/folder-to-file", small)
	must(b.t, os.Rename(b.path("change/linked"), b.path("same/linked")))
	must(b.t, os.Rename(b.path("same"), b.path("other")))
	b.folder("new")
	b.file("new/f", small)
	b.link("new/f", "new/g")
	b.file("new/large", large)
	must(b.t, unix.Chmod(b.path("f"), 0o755))
}

// following starts a mirror that follows the fixture's upheaval once moved is set, with decide asked about what it does then.
func following(t *testing.T, decide func(*scene, intercept.Call) intercept.Verdict) (*scene, *rig.Process, <-chan error) {
	t.Helper()
	s := newScene(t)
	source := builder{t, s.source, before}
	everything.old(source)
	s.once()
	var moved atomic.Bool
	p, supervised := s.startIntercepted(func(c intercept.Call) intercept.Verdict {
		if !moved.Load() {
			return intercept.Continue
		}
		return decide(s, c)
	}, "--interval", "1h", "--quiet", "--workers", "1")
	must(t, p.Ready())
	moved.Store(true)
	upheaval(source)
	return s, p, supervised
}

func placesOfFollowing(t *testing.T) map[place]int {
	t.Helper()
	places := map[place]int{}
	s, p, supervised := following(t, func(s *scene, c intercept.Call) intercept.Verdict {
		places[place{room: s.roomOf(c), call: kindOf(c)}]++
		return intercept.Continue
	})
	s.converges(p)
	s.ends(p)
	must(t, <-supervised)
	return places
}

// followThrough lets one call fail while the mirror follows.
func followThrough(t *testing.T, f fault) {
	failing := &failing{fault: f}
	s, p, supervised := following(t, failing.verdict)
	err := rig.Await(rig.Patience, s.unequal)
	log, logErr := p.Log()
	must(t, logErr)
	if err != nil {
		t.Errorf("%v\nat %q\n%s", err, failing.path, relevant(log))
	}
	s.ends(p)
	must(t, <-supervised)
}

// relevant leaves out of a log what went well.
func relevant(log []byte) string {
	lines := slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool {
		return strings.Contains(line, `"event":"acted"`)
	})
	return strings.Join(lines, "\n")
}
