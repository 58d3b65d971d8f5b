//go:build amd64 || arm64

package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// shortage is a disk that has not enough of something for what the source gets, until there is more of it.
type shortage struct {
	name  string
	scene func(t *testing.T) (s *scene, relief func())
	// error is what the log says of it.
	error string
}

var shortages = []shortage{
	{"room in memory", func(t *testing.T) (*scene, func()) {
		s := memoryDisk(t, "size=1m")
		return s, func() { run(t, "mount", "-o", "remount,size=20m", s.replica) }
	}, "no space left"},
	{"inodes", func(t *testing.T) (*scene, func()) {
		s := memoryDisk(t, "nr_inodes=12")
		return s, func() { run(t, "mount", "-o", "remount,nr_inodes=1000", s.replica) }
	}, "no space left"},
	{"room on disk", func(t *testing.T) (*scene, func()) {
		d := newDisk(t, "ext4", 16<<20)
		filler := filepath.Join(d.point, "filler")
		fill(t, filler)
		s := d.scene()
		return s, func() { must(t, os.Remove(filler)) }
	}, "no space left"},
	{"right to write", func(t *testing.T) (*scene, func()) {
		d := newDisk(t, "ext4", 16<<20)
		s := d.scene()
		s.start("--once", "--quiet").Exit(rig.Patience)
		return s, func() { run(t, "mount", "-o", "remount,rw", d.point) }
	}, "read-only"},
}

// fill writes a file until nearly nothing fits any more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	info, err := f.Stat()
	must(t, err)
	must(t, f.Truncate(info.Size()-512<<10))
	must(t, f.Close())
}

// TestShortage takes a disk away from a running mirror in several ways: what it cannot mirror it says and keeps as it was, what fits
// is mirrored, and when there is enough again all becomes equal without a restart.
//
// Scenarios: S1, S2, S8.
func TestShortage(t *testing.T) {
	needRoot(t)
	for _, c := range shortages {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, relief := c.scene(t)
			old := builder{t, s.source, before}
			old.file("large", small)
			old.file("same", small)
			s.once()
			p := s.start("--interval", "1h", "--quiet")
			must(t, p.Ready())
			if c.error == "read-only" {
				run(t, "mount", "-o", "remount,ro", filepath.Dir(s.replica))
			}
			from := s.read(s.replica)
			new := builder{t, s.source, after}
			new.replace("large", 4*large)
			for i := range 20 {
				new.file(fmt.Sprintf("small%d", i), 10)
			}
			to := s.read(s.source)
			must(t, p.AwaitLog(regexp.MustCompile(`"event":"problem".*`+c.error)))
			for _, what := range torn(from, to, s.read(s.replica)) {
				t.Error(what)
			}
			relief()
			s.converges(p)
			s.ends(p)
		})
	}
}

// TestFrozen freezes the replica's file system under a running mirror, which can be stopped all the same.
//
// Scenarios: S17.
func TestFrozen(t *testing.T) {
	needRoot(t)
	d := newDisk(t, "ext4", 16<<20)
	s := d.scene()
	source := builder{t, s.source, before}
	source.file("f", small)
	p := s.start("--interval", "1h", "--quiet")
	must(t, p.Ready())
	d.freeze()
	thaw := sync.OnceFunc(d.thaw)
	defer thaw()
	source.time = after
	source.file("g", small)
	must(t, rig.Await(rig.Patience, func() error { return hangs(p.ID()) }))
	must(t, p.Signal(unix.SIGTERM))
	err := rig.Await(4*rig.StopWithin, func() error { return over(p.ID()) })
	thaw()
	p.Kill()
	must(t, err)
	s.once()
	s.equal()
}

// hangs returns nil when a thread of the process sleeps and no signal wakes it.
func hangs(process int) error {
	if states := threadStates(process); !strings.Contains(states, "D") {
		return fmt.Errorf("threads are in the states %s", states)
	}
	return nil
}

// over returns nil when the process has ended but for threads that nothing can end as long as they hang.
func over(process int) error {
	if states := threadStates(process); strings.Trim(states, "DZX") != "" {
		return fmt.Errorf("threads are in the states %s", states)
	}
	return nil
}

// threadStates has a letter of proc(5) for each thread of a process.
func threadStates(process int) string {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", process)) // the pattern is none that can be wrong
	var states strings.Builder
	for _, task := range tasks {
		stat, err := os.ReadFile(task)
		if _, state, ok := strings.Cut(string(stat), ") "); err == nil && ok {
			states.WriteByte(state[0])
		}
	}
	return states.String()
}

// TestFewDescriptors mirrors many folders with as many descriptors as a process may hardly live with.
//
// Scenarios: S10.
func TestFewDescriptors(t *testing.T) {
	needRoot(t)
	s := newScene(t)
	source := builder{t, s.source, before}
	for i := range 150 {
		source.folder(fmt.Sprintf("d%d", i))
		fullFolder(source, fmt.Sprintf("d%d/e", i))
	}
	p := s.startUnder([]string{"prlimit", "--nofile=64:64"}, "--interval", "1h", "--quiet")
	must(t, p.Ready())
	s.equal()
	source.time = after
	for i := range 150 {
		source.file(fmt.Sprintf("d%d/e/b", i), small)
	}
	s.converges(p)
	s.ends(p)
	log, err := p.Log()
	must(t, err)
	if told := s.problems(log); len(told) > 0 {
		t.Errorf("problems at %q", told)
	}
}

// startUnder is start with another program before the binary.
func (s *scene) startUnder(words []string, flags ...string) *rig.Process {
	s.t.Helper()
	words = append(slices.Clone(words), os.Getenv(binary))
	words = append(append(words, flags...), "--log-file", s.log, s.source, s.replica)
	p, err := rig.Start(rig.Command(false, words[0], words[1:]...), s.log)
	must(s.t, err)
	s.t.Cleanup(p.Kill)
	return p
}

// TestMemory mirrors 200,000 files and makes a further pass over them in 64 MiB.
//
// Scenarios: S18, N13.
func TestMemory(t *testing.T) {
	needRoot(t)
	folders, most := 200, 64<<10
	if rig.Race {
		folders, most = 20, 1<<20 // the race detector's own memory is none of the mirror's
	}
	s := newScene(t)
	for i := range folders {
		folder := filepath.Join(s.source, fmt.Sprintf("folder%d", i))
		must(t, os.Mkdir(folder, 0o755))
		for j := range 1000 {
			must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%d", j)), []byte{byte(i), byte(j)}, 0o644))
		}
	}
	// Whoever has little memory tells the runtime of Go.
	p := s.startUnder([]string{"env", "GOMEMLIMIT=40MiB"}, "--interval", "1h", "--quiet")
	must(t, rig.Await(4*rig.Patience, func() error { return s.passesAtEnd(1) }))
	first := status(t, p.ID(), "VmHWM")
	must(t, p.Signal(unix.SIGUSR1))
	must(t, rig.Await(4*rig.Patience, func() error { return s.passesAtEnd(2) }))
	second := status(t, p.ID(), "VmHWM")
	t.Logf("%d KiB at most for the first copy, %d KiB with a pass after it", first, second)
	if second > most {
		t.Errorf("%d KiB in memory, more than %d", second, most)
	}
	s.ends(p)
	must(t, countFiles(s.replica, folders*1000))
}

// countFiles returns nil when the folders in root hold so many files.
func countFiles(root string, want int) error {
	folders, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	have := 0
	for _, folder := range folders {
		names, err := os.ReadDir(filepath.Join(root, folder.Name()))
		if err != nil {
			return err
		}
		have += len(names)
	}
	if have != want {
		return fmt.Errorf("%d files, not %d", have, want)
	}
	return nil
}

// passesAtEnd returns nil when the log ends with so many passes. It reads no more of a large log than that.
func (s *scene) passesAtEnd(want int) error {
	f, err := os.Open(s.log)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.Seek(-4096, io.SeekEnd); err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if have := bytes.Count(text, []byte(`"event":"pass_done"`)); err == nil && have < want {
		err = fmt.Errorf("%d passes, not %d", have, want)
	}
	return err
}

// status returns a number of proc(5).
func status(t *testing.T, process int, key string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			number, err := strconv.Atoi(strings.Fields(rest)[0])
			must(t, err)
			return number
		}
	}
	t.Fatalf("no %s of process %d", key, process)
	return 0
}
