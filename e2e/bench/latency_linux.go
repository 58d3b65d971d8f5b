package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// writes is how many changes are timed in each round.
func (l *lab) writes() int { return max(l.scaled(80, 20), (200+l.rounds-1)/l.rounds) }

// latencies times single writes, one watcher after the other in each round, and returns all times that count.
func latencies(ctx context.Context, l *lab, p *pair, watchers ...watcher) ([]series, error) {
	times := make([]series, len(watchers))
	files := small(l.options)
	if p.name != pairSmall {
		files = t1(l.options)
	}
	w := &writer{pair: p, shape: files, random: rand.New(rand.NewPCG(seed, 1<<32))}
	for round := range l.rounds + 1 {
		for turn := range watchers {
			i := (turn + round) % len(watchers)
			times[i].name = watchers[i].name
			taken, err := w.follow(ctx, l, watchers[i])
			if errors.Is(err, exec.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[i].taken = append(times[i].taken, taken...)
			}
		}
	}
	return times, nil
}

// writer changes files of a source and sees when the replica has the change.
type writer struct {
	pair   *pair
	shape  shape
	random *rand.Rand
}

func (w *writer) follow(ctx context.Context, l *lab, with watcher) ([]time.Duration, error) {
	s, err := with.start(ctx, l, w.pair)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	paths := w.shape.paths()
	var taken []time.Duration
	for range l.writes() {
		name := filepath.Join(paths[w.random.IntN(len(paths))], fileName(w.random.IntN(w.shape.filesPer())))
		one, err := w.change(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", with.name, err)
		}
		taken = append(taken, one)
		// No two changes are to meet, in the mirror or in the second that rsync compares times by.
		time.Sleep(20*time.Millisecond + time.Duration(w.random.Int64N(int64(10*time.Millisecond))))
	}
	return taken, nil
}

// change writes new content of another length and returns how long after the close the replica has it.
func (w *writer) change(ctx context.Context, name string) (time.Duration, error) {
	path, twin := filepath.Join(w.pair.source, name), filepath.Join(w.pair.replica, name)
	var before unix.Stat_t
	if err := unix.Lstat(twin, &before); err != nil {
		return 0, err
	}
	size := 1024 + w.random.IntN(2048)
	if int64(size) == before.Size {
		size++
	}
	content := randomBytes(w.random, size)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return 0, err
	}
	return seen(ctx, time.Now(), func() bool {
		var now unix.Stat_t
		if unix.Lstat(twin, &now) != nil || now.Size != int64(size) {
			return false
		}
		have, err := os.ReadFile(twin)
		return err == nil && bytes.Equal(have, content)
	})
}

// seen returns how long after begun probe is true for the first time. It asks every 50 us or so, which takes one or two hundredths
// of a processor from whoever is measured; with the grain of a sleep as the kernel has it, it would be twice as long.
func seen(ctx context.Context, begun time.Time, probe func() bool) (time.Duration, error) {
	const pause, grain = 50 * time.Microsecond, time.Microsecond
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(grain), 0, 0, 0); err != nil {
		return 0, err
	}
	nap := unix.NsecToTimespec(int64(pause))
	for {
		if probe() {
			return time.Since(begun), nil
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if time.Since(begun) > patience {
			return 0, fmt.Errorf("still not equal after %v", patience)
		}
		_ = unix.Nanosleep(&nap, nil) // a signal that ends it early does no harm
	}
}

// latencyFast holds lockstep against the others, without quiet time and syncs.
func latencyFast(ctx context.Context, l *lab) ([]line, error) {
	const median, worst = 1500 * time.Microsecond, 10 * time.Millisecond
	p, err := l.pair(ctx, pairT1)
	if err != nil {
		return nil, err
	}
	times, err := latencies(ctx, l, p, lockstepWith("--debounce", "0", "--durability", "none"), lsyncd(), inotifyLoop())
	if err != nil {
		return nil, err
	}
	lines := percentiles(times[0], median, worst)
	fifth := target{limit: 0.2, part: 0.5}.against(times[0], times[1])
	other := target{part: 0.5}.against(times[0], times[2])
	return append(lines, fifth, other), nil
}

// percentiles tells the median and the 99th percentile.
func percentiles(s series, median, worst time.Duration) []line {
	half, most := s.quantile(0.5), s.quantile(0.99)
	return []line{
		{ours: "p50 " + short(half), target: "≤ " + short(median), verdict: holds(half <= median)},
		{ours: "p99 " + short(most), target: "≤ " + short(worst), verdict: holds(most <= worst)},
	}
}

// latencyDefault measures with the defaults, on a disk, and before and after that an fsync of the same disk.
func latencyDefault(ctx context.Context, l *lab) ([]line, error) {
	const quiet, own, spread = 10 * time.Millisecond, 2 * time.Millisecond, 20 * time.Millisecond
	p, err := l.pair(ctx, pairT1Disk)
	if err != nil {
		return nil, err
	}
	sync := series{name: "fsync of a new file of 2 KiB"}
	before, err := fsyncs(p.disk.path, l.writes())
	if err != nil {
		return nil, err
	}
	times, err := latencies(ctx, l, p, lockstepWith(), lsyncd())
	if err != nil {
		return nil, err
	}
	after, err := fsyncs(p.disk.path, l.writes())
	if err != nil {
		return nil, err
	}
	sync.taken = append(before, after...)
	most := quiet + own + sync.quantile(0.5)
	lines := percentiles(times[0], most, most+spread)
	lines[0].peer, lines[0].theirs = sync.name, sync.String()
	return append(lines, target{}.against(times[0], times[1])), nil
}

// fsyncs times n syncs of small new files, each of which is gone afterwards.
func fsyncs(folder string, n int) ([]time.Duration, error) {
	var taken []time.Duration
	for range n {
		f, err := os.CreateTemp(folder, "fsync-")
		if err != nil {
			return nil, err
		}
		_, err = f.Write(make([]byte, 2048))
		began := time.Now()
		err = errors.Join(err, f.Sync())
		taken = append(taken, time.Since(began))
		if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
			return nil, err
		}
	}
	return taken, nil
}
