package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lockstep/e2e/rig"
)

// processCommands run programs.
var processCommands = map[string]command{
	"need":       {"CONDITION...", need},
	"lockstep":   {"[ARG]...", func(s *scene, arguments []string) error { return run0(s, append([]string{"lockstep"}, arguments...)) }},
	"asuser":     {"PROGRAM ARG...", func(s *scene, arguments []string) error { return run0(s, append([]string{"asuser"}, arguments...)) }},
	"exits":      {"CODE PROGRAM...", func(s *scene, arguments []string) error { return exits(s, arguments[0], arguments[1:]) }},
	"terminal":   {"PROGRAM ARG...", onTerminal},
	"sh":         {"SCRIPT", func(s *scene, arguments []string) error { return run0(s, []string{"sh", "-euc", arguments[0]}) }},
	"start":      {"NAME PROGRAM ARG...", start},
	"wait-ready": {"NAME", func(s *scene, arguments []string) error { return with(s, arguments[0], (*rig.Process).Ready) }},
	"pass":       {"NAME", func(s *scene, arguments []string) error { return with(s, arguments[0], (*rig.Process).Pass) }},
	"signal":     {"NAME SIGNAL", signal},
	"await-exit": {"NAME CODE", awaitExit},
	"end":        {"NAME", end},
	"await-sh":   {"SCRIPT", awaitScript},
}

// program makes a command of the words of a script: NAME=VALUE settings, asuser, the program and its arguments.
func (s *scene) program(words []string) (*exec.Cmd, error) {
	environment, asUser := s.env, false
	for len(words) > 0 {
		if words[0] == "asuser" {
			asUser = true
		} else if strings.Contains(words[0], "=") {
			environment = append(environment[:len(environment):len(environment)], words[0])
		} else {
			break
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, errors.New("no program given")
	}
	// Another program may be told to run the binary.
	words = slices.Clone(words)
	for i, word := range words {
		if word == "lockstep" {
			words[i] = os.Getenv(binary)
		}
	}
	c := rig.Command(asUser, words[0], words[1:]...)
	c.Dir, c.Env = s.MkAbs("."), append(environment, "lockstep="+os.Getenv(binary))
	return c, nil
}

// run0 runs a program to its end and wants the exit code 0.
func run0(s *scene, words []string) error { return exits(s, "0", words) }

// exits runs a program to its end and wants that exit code.
func exits(s *scene, code string, words []string) error {
	c, err := s.program(words)
	if err != nil {
		return err
	}
	c.Stdout, c.Stderr = s.Stdout(), s.Stderr()
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		return err
	}
	defer s.attend(c)()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	if have := strconv.Itoa(c.ProcessState.ExitCode()); have != code {
		return fmt.Errorf("%v, not exit code %s", c.ProcessState, code)
	}
	return nil
}

// attend ends a program that takes too long, and what it leaves behind at the end of the script. The caller calls the result when
// the program has ended.
func (s *scene) attend(c *exec.Cmd) (ended func()) {
	s.groups = append(s.groups, c.Process.Pid)
	timer := time.AfterFunc(rig.Patience, func() { _ = c.Process.Kill() })
	return func() {
		if !timer.Stop() {
			s.Logf("killed after %v", rig.Patience)
		}
	}
}

// start runs the binary in the background. A log file among its arguments is used, else it is given one.
func start(s *scene, arguments []string) error {
	name, words := arguments[0], arguments[1:]
	if old := s.processes[name]; old != nil {
		old.Kill()
	}
	log := filepath.Join(s.Getenv("WORK"), "logs", name)
	given := false
	for i, word := range words {
		value, isLog := strings.CutPrefix(word, "--log-file=")
		if isLog {
			log, given = s.MkAbs(value), true
		}
		if word == "--log-file" && i+1 < len(words) {
			log, given = s.MkAbs(words[i+1]), true
		}
	}
	if !given {
		words = append(words[:len(words):len(words)], "--log-file", log)
	}
	c, err := s.program(words)
	if err != nil {
		return err
	}
	process, err := rig.Start(c, log)
	if err != nil {
		return err
	}
	s.processes[name] = process
	return nil
}

// with calls do for the process of that name.
func with(s *scene, name string, do func(*rig.Process) error) error {
	process := s.processes[name]
	if process == nil {
		return fmt.Errorf("nothing called %q was started", name)
	}
	return do(process)
}

func signal(s *scene, arguments []string) error {
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
		"USR1": syscall.SIGUSR1, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	}
	which, ok := signals[arguments[1]]
	if !ok {
		return fmt.Errorf("no signal %q", arguments[1])
	}
	return with(s, arguments[0], func(p *rig.Process) error { return p.Signal(which) })
}

func awaitExit(s *scene, arguments []string) error {
	want, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	return with(s, arguments[0], func(p *rig.Process) error {
		have, err := p.Exit(rig.StopWithin)
		if err == nil && have != want {
			err = fmt.Errorf("exit code %d, not %d", have, want)
		}
		return err
	})
}

func end(s *scene, arguments []string) error {
	if err := signal(s, []string{arguments[0], "INT"}); err != nil {
		return err
	}
	return awaitExit(s, []string{arguments[0], "0"})
}
