//go:build amd64 || arm64

package faults_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// scene is a source and a replica with a log file beside them.
type scene struct {
	t                    *testing.T
	source, replica, log string
	// durability is asked for if it is not "". server, if not nil, is the environment in which the replica is one that is served.
	durability string
	server     []string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	return sceneIn(t, t.TempDir())
}

// sceneIn is newScene in a folder of choice.
func sceneIn(t *testing.T, folder string) *scene {
	t.Helper()
	s := &scene{
		t: t, source: filepath.Join(folder, "source"), replica: filepath.Join(folder, "replica"), log: filepath.Join(folder, "log"),
	}
	for _, root := range []string{s.source, s.replica} {
		must(t, os.Mkdir(root, 0o755))
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs the binary on the scene with flags.
func (s *scene) start(flags ...string) *rig.Process {
	s.t.Helper()
	replica := s.replica
	if s.server != nil {
		replica = "localhost:" + replica
	} else if s.durability != "" {
		flags = append(flags, "--durability", s.durability)
	}
	command := rig.Command(false, os.Getenv(binary), append(flags, "--log-file", s.log, s.source, replica)...)
	command.Env = append(os.Environ(), s.server...)
	p, err := rig.Start(command, s.log)
	must(s.t, err)
	s.t.Cleanup(p.Kill)
	return p
}

// intercepted runs the binary with flags to its end, with decide asked before every call on one of the scene's files, and returns it
// with its exit code. The calls before the mirror has been let in by its lock and knows what the replica holds, which ends with the
// first line of its log, are part of it.
func (s *scene) intercepted(decide func(intercept.Call) intercept.Verdict, flags ...string) (*rig.Process, int) {
	s.t.Helper()
	p, supervised := s.startIntercepted(decide, flags...)
	if err := <-supervised; err != nil {
		p.Kill()
		s.t.Fatalf("%v\n%s", err, p.Output())
	}
	code, err := p.Exit(rig.Patience)
	must(s.t, err)
	return p, code
}

// startIntercepted is intercepted without the wait: what it returns tells when the calls have ended, and why.
func (s *scene) startIntercepted(decide func(intercept.Call) intercept.Verdict, flags ...string) (*rig.Process, <-chan error) {
	s.t.Helper()
	command := rig.Command(false, os.Getenv(binary), append(flags, "--log-file", s.log, s.source, s.replica)...)
	launch, err := intercept.Command(command)
	must(s.t, err)
	p, err := rig.Start(command, s.log)
	if err != nil {
		launch.Close()
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Kill)
	supervised := make(chan error, 1)
	go func() { // ends with the process
		supervised <- launch.Supervise(func(c intercept.Call) intercept.Verdict {
			if s.room(c.Path) == "" && s.room(c.Other) == "" {
				return intercept.Continue
			}
			return decide(c)
		})
	}()
	return p, supervised
}

// room says which of the scene's rooms a path lies in: source, replica, log, or "" for none.
func (s *scene) room(path string) string {
	switch {
	case path == s.log:
		return "log"
	case path == s.source || strings.HasPrefix(path, s.source+"/"):
		return "source"
	case path == s.replica || strings.HasPrefix(path, s.replica+"/"):
		return "replica"
	}
	return ""
}

// once makes one pass, undisturbed, and wants it to end well.
func (s *scene) once() *rig.Process {
	s.t.Helper()
	p := s.start("--once", "--quiet")
	code, err := p.Exit(rig.Patience)
	must(s.t, err)
	if code != 0 {
		log, _ := p.Log()
		s.t.Fatalf("an undisturbed pass ended with %d\n%s\n%s", code, p.Output(), log)
	}
	return p
}

// equal wants source and replica to be equal in the eyes of the judge's second witness, and of both for whoever has time.
func (s *scene) equal() {
	s.t.Helper()
	for _, difference := range s.differences() {
		s.t.Error(difference)
	}
}

func (s *scene) differences() []string {
	s.t.Helper()
	if complete() {
		found, err := judge.Compare(s.t.Context(), s.source, s.replica)
		must(s.t, err)
		return found
	}
	_, found, err := judge.Walk(s.source, s.replica)
	must(s.t, err)
	return found
}

// converges wants both to become equal while the mirror runs.
func (s *scene) converges(p *rig.Process) {
	s.t.Helper()
	err := rig.Await(rig.Patience, func() error { return s.unequal() })
	if err != nil {
		log, _ := p.Log()
		s.t.Fatalf("%v\n%s", err, log)
	}
}

func (s *scene) unequal() error {
	_, found, err := judge.Walk(s.source, s.replica)
	if err == nil && len(found) > 0 {
		err = differ(found)
	}
	return err
}

// differ is a list of differences as an error.
type differ []string

func (d differ) Error() string { return strings.Join(d, "\n") }

// ends sends SIGTERM and wants a clean end.
func (s *scene) ends(p *rig.Process) {
	s.t.Helper()
	must(s.t, p.Signal(unix.SIGTERM))
	code, err := p.Exit(rig.StopWithin + time.Second)
	must(s.t, err)
	if code != 0 {
		s.t.Errorf("ended with %d\n%s", code, p.Output())
	}
}
