//go:build amd64 || arm64

package faults_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// possessions are what a process holds of the system.
type possessions struct {
	descriptors, watches, kilobytes int
	files                           []string // that the descriptors are of
}

// lastingFolders are those of the source that do not come and go, with the root.
const lastingFolders = 4

// TestLeaks lets trees come, change and go under a running mirror that makes a pass every second. At rest it holds no more descriptors
// and goroutines than before and watches what is there, and its memory has stopped growing.
//
// Scenarios: S10.
func TestLeaks(t *testing.T) {
	needRoot(t)
	long := 12 * time.Second
	if complete() {
		long = 5 * time.Minute
	}
	s := newScene(t)
	source := builder{t, s.source, before}
	kept(source)
	source.folder("lasting")
	fullFolder(source, "lasting/d")
	p := s.start("--interval", "1s", "--quiet")
	must(t, p.Ready())

	var warm possessions
	deadline, cycles := time.Now().Add(long), 0
	for ; time.Now().Before(deadline); cycles++ {
		s.churn(source, cycles)
		if warm.kilobytes == 0 && time.Until(deadline) < long/2 {
			warm = s.restful(p, func(possessions) error { return nil })
		}
	}
	inEnd := s.restful(p, func(now possessions) error {
		if now.descriptors > warm.descriptors || now.watches != warm.watches || now.watches != lastingFolders {
			return fmt.Errorf("half way %+v, in the end %+v", warm, now)
		}
		return nil
	})
	const allowed = 8 << 10 // KiB; the collector's mood
	if !rig.Race && inEnd.kilobytes > warm.kilobytes*5/4+allowed {
		t.Errorf("half way %+v, in the end %+v", warm, inEnd)
	}
	t.Logf("%d cycles: half way %d KiB, in the end %d", cycles, warm.kilobytes, inEnd.kilobytes)

	// A second mirror shows how many goroutines are right.
	many := goroutines(t, p)
	fresh := s.start("--interval", "1s", "--quiet")
	must(t, fresh.Ready())
	s.restful(fresh, func(possessions) error { return nil })
	if few := goroutines(t, fresh); many > few+4 { // passes and timers come and go
		t.Errorf("%d goroutines after all that, %d at the start", many, few)
	}
}

// churn makes a tree, does to it what can be done, and takes it away.
func (s *scene) churn(b builder, cycle int) {
	s.t.Helper()
	root := fmt.Sprintf("churn%d", cycle)
	b.folder(root)
	for i := range 5 {
		fullFolder(b, fmt.Sprintf("%s/d%d", root, i))
		b.file(fmt.Sprintf("%s/f%d", root, i), 100*i)
	}
	b.link(root+"/f1", root+"/g1")
	must(s.t, os.Rename(b.path(root+"/d0"), b.path(root+"/d1/moved")))
	must(s.t, os.Remove(b.path(root+"/f2")))
	b.folder(root + "/f2")
	if cycle%3 > 0 { // else it goes before the mirror has come to it
		must(s.t, rig.Await(rig.Patience, func() error { _, err := os.Lstat(filepath.Join(s.replica, root, "f2")); return err }))
	}
	if cycle%2 > 0 {
		outside := filepath.Join(filepath.Dir(s.source), "moved")
		must(s.t, os.Rename(b.path(root), outside))
		must(s.t, os.RemoveAll(outside))
		return
	}
	must(s.t, os.RemoveAll(b.path(root)))
}

// restful waits until the trees are equal and what the process holds is to the liking of fits, and returns it.
func (s *scene) restful(p *rig.Process, fits func(possessions) error) (now possessions) {
	s.t.Helper()
	must(s.t, rig.Await(rig.Patience, func() error {
		if err := s.unequal(); err != nil {
			return err
		}
		var err error
		if now, err = possessionsOf(p.ID()); err != nil {
			return err
		}
		return fits(now)
	}))
	now.kilobytes = status(s.t, p.ID(), "VmRSS")
	return now
}

func possessionsOf(process int) (have possessions, err error) {
	descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", process))
	if err != nil {
		return have, err
	}
	have.descriptors = len(descriptors)
	for _, descriptor := range descriptors {
		file, _ := os.Readlink(strings.Replace(descriptor, "fdinfo", "fd", 1))
		have.files = append(have.files, file)
		text, err := os.ReadFile(descriptor)
		if err != nil {
			continue // closed meanwhile
		}
		have.watches += rig.Watches(text)
	}
	if have.watches == 0 {
		err = errors.New("nothing is watched")
	}
	return have, err
}

// goroutines ends the process and returns how many it had.
func goroutines(t *testing.T, p *rig.Process) int {
	t.Helper()
	must(t, p.Signal(unix.SIGQUIT))
	if _, err := p.Exit(rig.Patience); err != nil {
		t.Fatal(err)
	}
	count := strings.Count(p.Output(), "\ngoroutine ")
	if count == 0 {
		t.Fatalf("no goroutines in what it said last:\n%s", p.Output())
	}
	return count
}
