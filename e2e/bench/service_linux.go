package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lockstep/e2e/rig"
)

// patience is how long anything may take before it is given up.
const patience = 1 * time.Minute

// service is a program that watches a source.
type service struct {
	name    string
	command *exec.Cmd
	log     string   // what it writes, also to the console
	beside  *service // stops with it; nil for none
	ended   chan struct{}
}

// watcher starts a service for a pair that is equal, and returns when changes are followed. Errors: [exec.ErrNotFound].
type watcher struct {
	name  string
	start func(context.Context, *lab, *pair) (*service, error)
}

// lockstepWith is lockstep with flags; only one pass is made.
func lockstepWith(flags ...string) watcher {
	return watcher{"lockstep", func(ctx context.Context, l *lab, p *pair) (*service, error) {
		s := l.service("lockstep")
		arguments := append([]string{"--interval", "1h", "--quiet", "--log-file", s.log}, flags...)
		return s, s.start(ctx, `"event":"pass_done"`, l.binary, append(arguments, p.source, p.replica)...)
	}}
}

// lsyncd with delay 0, a second being its default of 15 times that.
func lsyncd() watcher {
	const text = `settings { logfile = %q, statusFile = %q, nodaemon = true }
sync { default.rsync, source = %q, target = %q, delay = 0, rsync = { archive = true } }
`
	return watcher{"lsyncd, delay 0", func(ctx context.Context, l *lab, p *pair) (*service, error) {
		s := l.service("lsyncd")
		config := s.log + ".lua"
		if err := os.WriteFile(config, fmt.Appendf(nil, text, s.log, s.log+".status", p.source, p.replica), 0o600); err != nil {
			return nil, err
		}
		return s, s.start(ctx, "finished", "lsyncd", "-nodaemon", config)
	}}
}

// inotifyLoop hands each file that was closed to an rsync of its own.
func inotifyLoop() watcher {
	const script = `cd "$0" && inotifywait -m -r -e close_write -e moved_to --format %w%f . 2>"$2" |
while IFS= read -r path; do rsync -aR "$path" "$1/"; done`
	return watcher{"inotifywait + rsync loop", func(ctx context.Context, l *lab, p *pair) (*service, error) {
		if _, err := exec.LookPath("inotifywait"); err != nil {
			return nil, err
		}
		s := l.service("inotifywait")
		return s, s.start(ctx, "Watches established", "sh", "-c", script, p.source, p.replica, s.log)
	}}
}

func (l *lab) service(name string) *service {
	l.services++
	return &service{name: name, log: filepath.Join(l.scratch, fmt.Sprintf("%s-%d.log", name, l.services)), ended: make(chan struct{})}
}

// start starts the program and waits until its log holds the text.
func (s *service) start(ctx context.Context, text, program string, arguments ...string) error {
	if _, err := exec.LookPath(program); err != nil {
		return err
	}
	s.command = rig.Command(false, program, arguments...)
	if err := s.command.Start(); err != nil {
		return err
	}
	go func() { // ends with the process
		defer close(s.ended)
		_ = s.command.Wait() // how it ended is asked for by stop
	}()
	err := s.await(ctx, func() bool { return strings.Contains(s.written(), text) })
	if err != nil {
		s.stop()
	}
	return err
}

func (s *service) written() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// await asks again and again, while the program runs.
func (s *service) await(ctx context.Context, probe func() bool) error {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !probe() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return fmt.Errorf("%s ended: %v\n%s", s.name, s.command.ProcessState, s.written())
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: still not equal after %v", s.name, patience)
		}
	}
	return nil
}

// stop ends the program and all that it has started.
func (s *service) stop() {
	const within = 5 * time.Second
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		// It fails when everything has ended, which is what is wanted.
		_ = syscall.Kill(-s.command.Process.Pid, signal)
		select {
		case <-s.ended:
		case <-time.After(within):
		}
	}
	<-s.ended
	if s.beside != nil {
		s.beside.stop()
	}
}

// spent returns the processor time that it and its children have used, once these have ended.
func (s *service) spent(ctx context.Context) (time.Duration, error) {
	id := s.command.Process.Pid
	err := s.await(ctx, func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", id, id))
		return err == nil && len(children) == 0
	})
	if err != nil {
		return 0, err
	}
	u, err := used(id)
	return time.Duration(u.ticks) * clockTick, err
}

// watchingFor returns how long it took to watch the source, from the log of lockstep.
func (s *service) watchingFor() (time.Duration, error) {
	for record := range strings.Lines(s.written()) {
		var r struct {
			Event   string  `json:"event"`
			Elapsed float64 `json:"elapsed_ms"`
		}
		if err := json.Unmarshal([]byte(record), &r); err == nil && r.Event == "watching" {
			return time.Duration(r.Elapsed * float64(time.Millisecond)), nil
		}
	}
	return 0, errors.New("no record of watching in the log")
}
