package model_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// session is a source, a replica and what lies beside each, with a lockstep that mirrors the one in the other.
type session struct {
	place, source, replica string
	flags                  []string
	process                *rig.Process
	took                   []time.Duration // from each rest until the trees were equal
}

// settings are what a seed makes of the command line and the place.
func settings(seed uint64) (base string, flags []string) {
	random := rand.New(rand.NewPCG(seed, 2))
	flags = []string{
		"--debounce", []string{"0", "10ms", "10ms", "50ms"}[random.IntN(4)],
		"--workers", []string{"1", "2", "8"}[random.IntN(3)],
		"--durability", []string{"none", "auto", "auto", "always"}[random.IntN(4)],
	}
	if random.IntN(2) == 0 {
		base = "/dev/shm" // in memory everything happens more quickly
	}
	return base, flags
}

// newSession starts lockstep with two empty trees as seed has it, and returns when it is ready.
func newSession(seed uint64, more ...string) (*session, error) {
	base, flags := settings(seed)
	place, err := os.MkdirTemp(base, "lockstep-model")
	if err != nil {
		return nil, err
	}
	s := &session{place: place, source: filepath.Join(place, "source"), replica: filepath.Join(place, "replica")}
	for _, folder := range []string{s.source, s.replica, s.beside(s.source), s.beside(s.replica)} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return s, err
		}
	}
	s.flags = append(flags, more...)
	return s, s.start()
}

// openSession is newSession for t, which ends with it and fails if that goes wrong.
func openSession(t *testing.T, seed uint64, more ...string) *session {
	t.Helper()
	s, err := newSession(seed, more...)
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start starts lockstep and returns when its first pass is done.
func (s *session) start() (err error) {
	log := filepath.Join(s.place, "log")
	words := append([]string{"--interval", "1h", "--log-level", "debug", "--log-file", log, "--quiet"}, s.flags...)
	command := rig.Command(false, os.Getenv(binary), append(words, s.source, s.replica)...)
	command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if s.process, err = rig.Start(command, log); err != nil {
		return err
	}
	return s.process.Ready()
}

// beside is the folder that things are moved to from tree.
func (s *session) beside(tree string) string { return tree + "-outside" }

func (s *session) playground(tree string) playground { return playground{tree, s.beside(tree), s.pass} }

// pass asks for a pass and does not wait for it.
func (s *session) pass() error { return s.process.Signal(syscall.SIGUSR1) }

// close stops the mirror, which has to go well, and removes everything.
func (s *session) close() error {
	if s == nil {
		return nil
	}
	defer os.RemoveAll(s.place)
	if s.process == nil {
		return nil
	}
	defer s.process.Kill()
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the mirror: %w\n%s", err, s.process.Output())
	}
	code, err := s.process.Exit(rig.StopWithin + rig.Patience)
	if err == nil && code != 0 {
		err = fmt.Errorf("the mirror ended with exit code %d:\n%s", code, s.process.Output())
	}
	return err
}

// rest waits until the trees are equal, with no pass asked for.
func (s *session) rest(within time.Duration) error {
	began := time.Now()
	err := rig.Await(within, func() error {
		_, differences, err := judge.Walk(s.source, s.replica)
		if err == nil && len(differences) > 0 {
			err = errors.New(strings.Join(differences, "\n"))
		}
		return err
	})
	s.took = append(s.took, time.Since(began))
	return err
}

var drift = regexp.MustCompile(`"event":"pass_done".*"drift":([0-9]+)`)

// proof asks for a pass, which has to find nothing if nothing is expected, and hears both witnesses of the judge.
func (s *session) proof(expectNothing bool) error {
	for range 2 { // the first one that ends may have begun long ago
		if err := s.process.Pass(); err != nil {
			return err
		}
	}
	log, err := s.process.Log()
	if err != nil {
		return err
	}
	passes := drift.FindAllSubmatch(log, -1)
	if expectNothing && (len(passes) == 0 || string(passes[len(passes)-1][1]) != "0") {
		return fmt.Errorf("the trees are equal, yet a pass finds drift: %s", passes[len(passes)-1][0])
	}
	return s.rest(rig.Patience)
}

var problem = regexp.MustCompile(`(?m)^.*"event":"problem".*$`)

// calm says whether a problem was told, of which there is none while nobody touches the replica.
func (s *session) calm() error {
	log, err := s.process.Log()
	if told := problem.Find(log); err == nil && told != nil {
		err = fmt.Errorf("a problem was told: %s", told)
	}
	return err
}

// mostOpen is how many descriptors the mirror may hold at rest, whatever has been done before.
const mostOpen = 24

// lean waits until the mirror watches each of so many folders once and nothing else, and holds few descriptors: it asks the kernel,
// see proc_pid_fdinfo(5).
func (s *session) lean(folders int) error {
	return rig.Await(rig.Patience, func() error {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", s.process.ID()))
		if err != nil {
			return err
		}
		watches := 0
		for _, path := range open {
			// What was closed meanwhile holds no watches.
			text, _ := os.ReadFile(path)
			watches += rig.Watches(text)
		}
		if watches != folders || len(open) > mostOpen {
			return fmt.Errorf("%d watches for %d folders, %d descriptors", watches, folders, len(open))
		}
		return nil
	})
}

// ending returns the last lines of the log, and keeps the whole of it among the artifacts of the test.
func (s *session) ending(t *testing.T) string {
	t.Helper()
	log, err := s.process.Log()
	if err != nil {
		return err.Error()
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "log"), log, 0o644); err != nil {
		t.Error(err)
	}
	lines := strings.SplitAfter(string(log), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "")
}
