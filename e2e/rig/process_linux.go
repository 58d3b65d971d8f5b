package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Nobody is the ordinary user a process runs as when its test is run by root.
const Nobody = 65534

// Umask is what the system takes away from the modes of new files during a test, whoever started it: an ordinary user has to reach
// what is made and built, and scripts name the modes that come of it.
const Umask = 0o022

// Command returns a command for program that dies with the test and, if asUser is true and the test is root's, runs as [Nobody].
// It leads a process group of its own, so that whoever started it can end what it has started.
func Command(asUser bool, program string, arguments ...string) *exec.Cmd {
	command := exec.Command(program, arguments...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if asUser && os.Geteuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: Nobody, Gid: Nobody}
	}
	return command
}

// Process is a running lockstep.
type Process struct {
	command *exec.Cmd
	log     string
	before  int64 // bytes that were in the log already
	output  output
	done    chan struct{} // closed when it has ended
}

// Start runs command, which has to write its log as JSON lines to the file log.
func Start(command *exec.Cmd, log string) (*Process, error) {
	p := &Process{command: command, log: log, done: make(chan struct{})}
	if info, err := os.Stat(log); err == nil {
		p.before = info.Size()
	}
	command.Stdout, command.Stderr = &p.output, &p.output
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		defer close(p.done)
		// The state of the process, asked for by Exit, tells more than this error.
		_ = command.Wait()
	}()
	return p, nil
}

// ID is the number of the process.
func (p *Process) ID() int { return p.command.Process.Pid }

// Output is what it has written to the console so far.
func (p *Process) Output() string { return p.output.String() }

// Log is what it has written to the log file so far, or since the file was rotated.
func (p *Process) Log() ([]byte, error) {
	content, err := os.ReadFile(p.log)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if int64(len(content)) >= p.before {
		content = content[p.before:]
	}
	return content, err
}

// Signal sends a signal.
func (p *Process) Signal(signal syscall.Signal) error { return p.command.Process.Signal(signal) }

// Exit waits for the end of the process and returns its exit code, or minus the signal that ended it.
func (p *Process) Exit(within time.Duration) (int, error) {
	select {
	case <-p.done:
	case <-time.After(within):
		return 0, fmt.Errorf("process %d runs still after %v", p.ID(), within)
	}
	if status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal()), nil
	}
	return p.command.ProcessState.ExitCode(), nil
}

// Kill ends the process at once, if it still runs, and returns when it has ended.
func (p *Process) Kill() {
	// It fails when the process is gone, which is what is wanted.
	_ = p.command.Process.Kill()
	<-p.done
}

// Ready waits until the first pass is done.
func (p *Process) Ready() error {
	return p.AwaitPasses(1)
}

// Pass asks for a pass and waits until one is done.
func (p *Process) Pass() error {
	before, err := p.passes()
	if err != nil {
		return err
	}
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	return p.AwaitPasses(before + 1)
}

// AwaitPasses waits until that many passes are done since the start.
func (p *Process) AwaitPasses(count int) error {
	return p.await(func() error {
		done, err := p.passes()
		if err == nil && done < count {
			err = fmt.Errorf("%d passes done, waiting for %d", done, count)
		}
		return err
	})
}

// AwaitLog waits until the log holds what the expression matches.
func (p *Process) AwaitLog(expression *regexp.Regexp) error {
	return p.await(func() error {
		log, err := p.Log()
		if err == nil && !expression.Match(log) {
			err = fmt.Errorf("no %v in the log", expression)
		}
		return err
	})
}

// passDone is in the record that ends a pass.
const passDone = `"event":"pass_done"`

func (p *Process) passes() (int, error) {
	log, err := p.Log()
	return bytes.Count(log, []byte(passDone)), err
}

// await is Await that ends as soon as the process does.
func (p *Process) await(probe func() error) error {
	var ended error
	err := Await(Patience, func() error {
		select {
		case <-p.done:
			if ended = probe(); ended != nil {
				ended = fmt.Errorf("process ended with %v: %w", p.command.ProcessState, ended)
			}
			return nil
		default:
			return probe()
		}
	})
	return errors.Join(err, ended)
}

// output gathers what is written; safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
