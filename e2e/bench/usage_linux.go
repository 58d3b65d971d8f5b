package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lockstep/e2e/rig"
)

// usage is what a process has used so far.
type usage struct {
	ticks          int64         // as a person sees them, those of children that have ended too
	cpu            time.Duration // to the nanosecond
	written        int64         // bytes on their way to a disk
	resident, most int64         // bytes
}

// clockTick is what proc(5) counts in: USER_HZ, which is the same on all architectures.
const clockTick = 10 * time.Millisecond

// used reads /proc for the process: utime, stime, cutime and cstime of stat, the first number of the schedstat of each of its threads,
// io and status (proc(5)).
func used(process int) (u usage, err error) {
	folder := fmt.Sprintf("/proc/%d", process)
	stat, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return u, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third on
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.ticks += n
	}
	threads, err := filepath.Glob(folder + "/task/*/schedstat")
	if err != nil {
		return u, err
	}
	for _, t := range threads {
		text, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(n)
	}
	for _, f := range []struct {
		value    *int64
		file     string
		key      string
		multiple int64
	}{
		{&u.written, "io", "write_bytes:", 1},
		{&u.resident, "status", "VmRSS:", 1 << 10}, {&u.most, "status", "VmHWM:", 1 << 10},
	} {
		if *f.value, err = numberAfter(filepath.Join(folder, f.file), f.key); err != nil {
			return u, err
		}
		*f.value *= f.multiple
	}
	return u, nil
}

// numberAfter returns the number after a key at the beginning of a line of a file.
func numberAfter(path, key string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for one := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(one, key); ok {
			return strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in %s", key, path)
}

// megabytes writes bytes in MiB.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// Limits of resident memory.
const (
	mostResident  = 30 << 20
	mostResident4 = 120 << 20
)

// atMost is a line about memory.
func atMost(work string, n, limit int64) line {
	return line{work: work, ours: megabytes(n), target: "< " + megabytes(limit), verdict: holds(n < limit)}
}

// idle watches lockstep and lsyncd while nothing happens: a minute of both, at the same time.
func idle(ctx context.Context, l *lab) ([]line, error) {
	p, err := l.pair(ctx, pairT1)
	if err != nil {
		return nil, err
	}
	ours, err := lockstepWith().start(ctx, l, p)
	if err != nil {
		return nil, err
	}
	defer ours.stop()
	services := []*service{ours}
	theirs, err := lsyncd().start(ctx, l, p)
	switch {
	case err == nil:
		defer theirs.stop()
		services = append(services, theirs)
	case !errors.Is(err, exec.ErrNotFound):
		return nil, err
	}
	const rest = 3 * time.Second // in which what a pass needed is given back
	minute := time.Duration(l.scaled(60, 5)) * time.Second
	var before, after [2]usage
	for _, turn := range []struct {
		pause time.Duration
		into  *[2]usage
	}{{rest, &before}, {minute, &after}} {
		select {
		case <-time.After(turn.pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		for i, s := range services {
			if turn.into[i], err = used(s.command.Process.Pid); err != nil {
				return nil, err
			}
		}
	}
	return idleLines(before, after, len(services) == 2, minute), nil
}

func idleLines(before, after [2]usage, peer bool, minute time.Duration) []line {
	said := func(i int) string {
		return fmt.Sprintf("%s, %d B written", short(after[i].cpu-before[i].cpu), after[i].written-before[i].written)
	}
	quiet := after[0].ticks == before[0].ticks && after[0].written == before[0].written
	cost := line{
		work: fmt.Sprintf("CPU and writes in %v of idleness, watched (T1)", minute), ours: said(0), peer: "lsyncd",
		target: "no tick of 10 ms, no byte", verdict: holds(quiet),
	}
	memory := atMost("resident while idle, watched (T1)", after[0].resident, mostResident)
	memory.peer = "lsyncd"
	if peer {
		cost.theirs, memory.theirs = said(1), megabytes(after[1].resident)
	} else {
		cost.note, memory.note = "missing", "missing"
	}
	return []line{cost, memory, atMost("most resident, with a pass, watched (T1)", after[0].most, mostResident)}
}

// watchMany starts lockstep on T4, and lets it make a pass.
func watchMany(ctx context.Context, l *lab) ([]line, error) {
	p, err := l.pair(ctx, pairT4)
	if err != nil {
		return nil, err
	}
	peak, err := peakOf(ctx, l.once(p.source, p.replica)...)
	if err != nil {
		return nil, err
	}
	s, err := lockstepWith().start(ctx, l, p)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	taken, err := s.watchingFor()
	if err != nil {
		return nil, err
	}
	u, err := used(s.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	return []line{
		{
			work: fmt.Sprintf("time to watch %d folders (T4)", t4(l.options).folders), ours: short(taken),
			target: "< 1s", verdict: holds(taken < time.Second),
		},
		atMost("most resident in a single pass (T4)", peak, mostResident),
		atMost("most resident, with a pass, watched (T4)", u.most, mostResident4),
	}, nil
}

// peakOf runs a command and returns the most memory that was resident.
func peakOf(ctx context.Context, command ...string) (int64, error) {
	c := rig.Command(false, command[0], command[1:]...)
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }() // ends with the process
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	peak := int64(0)
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-ctx.Done():
			c.Process.Kill()
		case <-tick.C:
			if n, err := numberAfter(fmt.Sprintf("/proc/%d/status", c.Process.Pid), "VmHWM:"); err == nil {
				peak = n << 10
			}
		}
	}
}
