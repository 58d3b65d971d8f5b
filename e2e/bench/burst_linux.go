package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// burst times how long after the last close of many new files the replica has them all, and cp -a of as many such files.
func burst(ctx context.Context, l *lab) ([]line, error) {
	p, err := l.pair(ctx, pairSmall)
	if err != nil {
		return nil, err
	}
	followers := []watcher{lockstepWith(), lsyncd()}
	times := []series{{name: followers[0].name}, {name: copyAll}, {name: followers[1].name}}
	add := func(round, i int, taken time.Duration, err error) error {
		if errors.Is(err, exec.ErrNotFound) {
			return nil
		}
		if err == nil && round > 0 {
			times[i].taken = append(times[i].taken, taken)
		}
		return err
	}
	for round := range l.rounds + 1 {
		taken, err := burstWatched(ctx, l, p, followers[0], round)
		if err := add(round, 0, taken, err); err != nil {
			return nil, err
		}
		taken, err = burstCopied(ctx, l, p, round)
		if err := add(round, 1, taken, err); err != nil {
			return nil, err
		}
		taken, err = burstWatched(ctx, l, p, followers[1], round)
		if err := add(round, 2, taken, err); err != nil {
			return nil, err
		}
	}
	return goals{copyAll: 1}.lines(times, 0.5), nil
}

// burstPaths returns where the files of a burst are, folders before what is in them.
func (l *lab) burstPaths(root string) (folders, files []string) {
	const perFolder = 1000
	folders = []string{root}
	for i := range l.scaled(10_000, 100) {
		if i%perFolder == 0 {
			folders = append(folders, filepath.Join(root, fmt.Sprintf("folder-%d", i/perFolder)))
		}
		files = append(files, filepath.Join(folders[len(folders)-1], fileName(i)))
	}
	return folders, files
}

// create makes the files of a burst at once, as a program does that unpacks something.
func (l *lab) create(root string, contents [][]byte) error {
	folders, files := l.burstPaths(root)
	for _, f := range folders {
		if err := os.Mkdir(f, 0o755); err != nil {
			return err
		}
	}
	for i, f := range files {
		if err := os.WriteFile(f, contents[i], 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) burstContents(round int) [][]byte {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	contents := make([][]byte, l.scaled(10_000, 100))
	for i := range contents {
		contents[i] = randomBytes(r, logNormal(r))
	}
	return contents
}

func burstWatched(ctx context.Context, l *lab, p *pair, with watcher, round int) (time.Duration, error) {
	s, err := with.start(ctx, l, p)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	name := fmt.Sprintf("burst-%s-%d", s.name, round)
	contents := l.burstContents(round)
	if err := l.create(filepath.Join(p.source, name), contents); err != nil {
		return 0, err
	}
	closed := time.Now()
	// Each is looked at until it is right, and then the next. Times of folders come last, and lsyncd forgets them.
	folders, waiting := l.burstPaths(name)
	if with.name == lockstepWith().name {
		waiting = append(waiting, folders...)
	}
	taken, err := seen(ctx, closed, func() bool {
		for len(waiting) > 0 && alike(filepath.Join(p.source, waiting[0]), filepath.Join(p.replica, waiting[0])) {
			waiting = waiting[1:]
		}
		return len(waiting) == 0
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %q: %w", with.name, waiting[0], err)
	}
	return taken, silently(ctx, "diff", "-r", filepath.Join(p.source, name), filepath.Join(p.replica, name))
}

// alike reports whether two entries have the same size and time, which all of the watchers set before a file gets its name.
func alike(path, twin string) bool {
	var a, b unix.Stat_t
	if unix.Lstat(path, &a) != nil || unix.Lstat(twin, &b) != nil {
		return false
	}
	folder := a.Mode&unix.S_IFMT == unix.S_IFDIR
	return a.Mode == b.Mode && a.Mtim == b.Mtim && (folder || a.Size == b.Size)
}

// burstCopied makes the files where nobody watches, and has cp copy them to the same file system.
func burstCopied(ctx context.Context, l *lab, p *pair, round int) (time.Duration, error) {
	from := filepath.Join(p.disk.path, fmt.Sprintf("burst-%d", round))
	if err := l.create(from, l.burstContents(round)); err != nil {
		return 0, err
	}
	taken, _, err := l.turn(ctx, fixed(copyAll, "cp", "-a", from, from+"-copy"))
	return taken, err
}
