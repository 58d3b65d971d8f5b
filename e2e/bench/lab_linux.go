package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lockstep/e2e/rig"
)

// lab is where everything is measured: the binary, the file systems, and the trees of which one pair stands at a time.
type lab struct {
	options
	scratch          string // mount points, logs, a binary
	state            string // of the checkout, when that was built
	inMemory, onDisk string // images
	disks, services  int    // made so far
	mounted          []*disk
	current          *pair
}

// pair is a source and a replica that are equal.
type pair struct {
	name            string
	disk            *disk
	source, replica string
}

func newLab(ctx context.Context, o options) (l *lab, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("mounting file systems takes root")
	}
	l = &lab{options: o}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	for _, place := range []struct {
		path  *string
		above string
	}{{&l.scratch, ""}, {&l.inMemory, o.memory}, {&l.onDisk, o.disk}} {
		if *place.path, err = os.MkdirTemp(place.above, "lockstep-bench-"); err != nil {
			return l, err
		}
	}
	l.state = said(ctx, "git", "describe", "--always", "--dirty")
	if l.binary == "" {
		l.binary, err = rig.Build(ctx, l.scratch)
	}
	return l, err
}

// close unmounts everything and removes it.
func (l *lab) close() error {
	var all error
	for _, d := range slices.Backward(l.mounted) {
		all = errors.Join(all, d.drop())
	}
	if all != nil {
		return all // removing now might reach into what is mounted still
	}
	for _, path := range []string{l.scratch, l.inMemory, l.onDisk} {
		if path != "" {
			all = errors.Join(all, os.RemoveAll(path))
		}
	}
	return all
}

func (l *lab) drop(d *disk) error {
	l.mounted = slices.DeleteFunc(l.mounted, func(m *disk) bool { return m == d })
	return d.drop()
}

// The pairs that there are.
const (
	pairT1     = "T1"
	pairT1Disk = "T1 on a disk"
	pairT2     = "T2"
	pairT3     = "T3"
	pairLarge  = "one file of T3"
	pairT4     = "T4"
	pairSmall  = "a tenth of T1"
)

// pair returns the pair of that name, in the place of the one before.
func (l *lab) pair(ctx context.Context, name string) (*pair, error) {
	if l.current != nil && l.current.name == name {
		return l.current, nil
	}
	if l.current != nil {
		if err := l.drop(l.current.disk); err != nil {
			return nil, err
		}
		l.current = nil
	}
	m := ext4Memory
	grow := func(root string) error { return t1(l.options).grow(ctx, root) }
	switch name {
	case pairT1Disk:
		m = ext4Disk
	case pairT2:
		grow = func(root string) error { return l.t2(ctx, root) }
	case pairT3:
		m, grow = tmpfs, func(root string) error { return t3(ctx, l.options, root, 4) }
	case pairLarge:
		m, grow = tmpfs, func(root string) error { return t3(ctx, l.options, root, 1) }
	case pairT4:
		m, grow = tmpfs, func(root string) error { return t4(l.options).grow(ctx, root) }
	case pairSmall:
		grow = func(root string) error { return small(l.options).grow(ctx, root) }
	}
	d, err := l.newDisk(ctx, m)
	if err != nil {
		return nil, err
	}
	p := &pair{name: name, disk: d, source: filepath.Join(d.path, "source"), replica: filepath.Join(d.path, "replica")}
	l.current = p
	for _, root := range []string{p.source, p.replica} {
		if err := grow(root); err != nil {
			return nil, fmt.Errorf("make %s: %w", name, err)
		}
	}
	if err := silently(ctx, "sync", "-f", d.path); err != nil {
		return nil, err
	}
	// What is measured as unchanged has to be equal.
	return p, silently(ctx, l.binary, "verify", p.source, p.replica)
}

// t2 copies the Go distribution, and the module cache in a whole run.
func (l *lab) t2(ctx context.Context, root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"GOROOT", "GOMODCACHE"} {
		output, err := exec.CommandContext(ctx, "go", "env", name).Output()
		if err != nil {
			return err
		}
		folder := strings.TrimSpace(string(output))
		if l.scale < 1 {
			folder = filepath.Join(folder, "src", "cmd")
		}
		if err := silently(ctx, "cp", "-a", folder, filepath.Join(root, name)); err != nil {
			return err
		}
		if l.scale < 1 {
			break
		}
	}
	return os.Chtimes(root, time.Unix(1_704_067_200, 1), time.Unix(1_704_067_200, 1))
}

// once is lockstep for a single pass.
func (l *lab) once(source, replica string, flags ...string) []string {
	command := append([]string{l.binary, "--once", "--quiet", "--log-file", filepath.Join(l.scratch, "log")}, flags...)
	return append(command, source, replica)
}

// program is one that takes part in a contest.
type program struct {
	name string
	// prepare is not timed; nil for nothing to prepare.
	prepare func(context.Context) error
	command func() []string
	// beside takes part, so that its processor time counts too; nil for nobody.
	beside func() *service
}

func fixed(name string, command ...string) program {
	return program{name: name, command: func() []string { return command }}
}

// contest has programs do the same in turns, each round in another order, and returns their times. before is called before each
// turn: rclone drops from memory what it has read. A turn may be repeated, see [lab.leastDisturbed]. The first round is not counted,
// and a program that is not installed has no times.
func (l *lab) contest(ctx context.Context, rounds int, before func() error, programs ...program) ([]series, error) {
	times := make([]series, len(programs))
	for round := range rounds + 1 {
		for turn := range programs {
			i := (turn + round) % len(programs)
			times[i].name = programs[i].name
			best, err := l.leastDisturbed(ctx, before, programs[i])
			if errors.Is(err, exec.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[i].add(best)
			}
		}
	}
	return times, nil
}

// turn runs a program once and returns the time it took, and the processor time.
func (l *lab) turn(ctx context.Context, p program) (taken, cpu time.Duration, err error) {
	if p.prepare != nil {
		if err := p.prepare(ctx); err != nil {
			return 0, 0, err
		}
	}
	command := p.command()
	if _, err := exec.LookPath(command[0]); err != nil {
		return 0, 0, err
	}
	spent := func() (time.Duration, error) { return 0, nil }
	if p.beside != nil {
		s := p.beside()
		spent = func() (time.Duration, error) { return s.spent(ctx) }
	}
	before, err := spent()
	if err != nil {
		return 0, 0, err
	}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = append(os.Environ(), "LC_ALL=C", "UNISON="+filepath.Join(l.scratch, "unison"), "RCLONE_CONFIG=/notfound")
	began := time.Now()
	output, err := c.CombinedOutput()
	taken = time.Since(began)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, output)
	}
	after, err := spent()
	return taken, c.ProcessState.UserTime() + c.ProcessState.SystemTime() + after - before, err
}
