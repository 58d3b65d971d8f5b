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
	"time"

	"golang.org/x/sys/unix"
)

// renameFolder times renames of a folder while watching, and sees that nothing is copied.
func renameFolder(ctx context.Context, l *lab) ([]line, error) {
	const most = 300 * time.Millisecond
	p, err := l.pair(ctx, pairSmall)
	if err != nil {
		return nil, err
	}
	large := shape{
		folders: l.scaled(100, 10), files: l.scaled(10_000, 100), depth: 2,
		size: func(*rand.Rand) int { return 107_374 }, // 1 GiB in 10,000
	}
	names := []string{"large", "large-renamed"}
	for _, root := range []string{p.source, p.replica} {
		if err := large.grow(ctx, filepath.Join(root, names[0])); err != nil {
			return nil, err
		}
	}
	s, err := lockstepWith().start(ctx, l, p)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	times := series{name: "lockstep"}
	const rest = 200 * time.Millisecond // what is measured is a rename, not a series of them
	for round := range l.rounds + 1 {
		time.Sleep(rest)
		from, to := names[round%2], names[(round+1)%2]
		taken, err := renameOnce(ctx, p, from, to)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			times.taken = append(times.taken, taken)
		}
	}
	middle := times.quantile(0.5)
	return []line{{
		ours: times.String(), peer: "(nothing was copied)", target: "< " + short(most), verdict: holds(middle < most),
	}}, nil
}

func renameOnce(ctx context.Context, p *pair, from, to string) (time.Duration, error) {
	before, err := inodes(filepath.Join(p.replica, from))
	if err != nil {
		return 0, err
	}
	if err := os.Rename(filepath.Join(p.source, from), filepath.Join(p.source, to)); err != nil {
		return 0, err
	}
	taken, err := seen(ctx, time.Now(), func() bool {
		_, err := os.Lstat(filepath.Join(p.replica, from))
		return errors.Is(err, os.ErrNotExist) && alike(filepath.Join(p.source, to), filepath.Join(p.replica, to)) &&
			alike(p.source, p.replica)
	})
	if err != nil {
		return 0, err
	}
	after, err := inodes(filepath.Join(p.replica, to))
	if err == nil && !bytes.Equal(before, after) {
		err = errors.New("files of the renamed folder were copied")
	}
	return taken, err
}

// inodes lists the files below root with their inode numbers.
func inodes(root string) ([]byte, error) {
	return exec.Command("find", root, "-printf", "%P %i\n").Output()
}

// changes returns a measurement of small changes of a large file.
func changes(m medium) func(context.Context, *lab) ([]line, error) {
	return func(ctx context.Context, l *lab) ([]line, error) {
		d, err := l.newDisk(ctx, m)
		if err != nil {
			return nil, err
		}
		defer l.drop(d)
		c := &changer{
			lab:    l,
			pair:   &pair{disk: d, source: filepath.Join(d.path, "source"), replica: filepath.Join(d.path, "replica")},
			random: rand.New(rand.NewPCG(seed, 1<<33)), size: int64(l.scaled(1<<30, 1<<20)),
		}
		for _, root := range []string{c.pair.source, c.pair.replica} {
			if err := os.Mkdir(root, 0o755); err != nil {
				return nil, err
			}
			if err := growLarge(ctx, filepath.Join(root, fileName(0)), 0, c.size); err != nil {
				return nil, err
			}
		}
		if err := silently(ctx, "sync", "-f", d.path); err != nil {
			return nil, err
		}
		return c.measure(ctx)
	}
}

// changer changes a part of a large file.
type changer struct {
	lab    *lab
	pair   *pair
	random *rand.Rand
	size   int64
	// changed is when it did so last.
	changed time.Time
}

func (c *changer) measure(ctx context.Context) ([]line, error) {
	const inPlace = "rsync -a --no-whole-file --inplace"
	ways := []struct {
		name  string
		taken func(context.Context) (time.Duration, error)
	}{
		{"defaults", func(ctx context.Context) (time.Duration, error) { return c.watched(ctx, lockstepWith()) }},
		{"--durability none", func(ctx context.Context) (time.Duration, error) {
			return c.watched(ctx, lockstepWith("--durability", "none"))
		}},
		{inPlace, c.copied},
	}
	times := make([]series, len(ways))
	for round := range c.lab.rounds + 1 {
		for i, way := range ways {
			times[i].name = way.name
			taken, err := way.taken(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", way.name, err)
			}
			if round > 0 {
				times[i].taken = append(times[i].taken, taken)
			}
		}
	}
	var lines []line
	for _, ours := range times[:2] {
		one := target{limit: 1, part: 0.5}.against(ours, times[2])
		one.ours += ", " + ours.name
		lines = append(lines, one)
	}
	return lines, nil
}

// change writes 16 KiB somewhere into the source's file, and returns them and where they are. It happens in another second than the
// change before, for rsync would take the file for unchanged.
func (c *changer) change() (content []byte, offset int64, err error) {
	const size = 16 << 10
	content, offset = randomBytes(c.random, size), c.random.Int64N(c.size-size)
	const grain = 20 * time.Millisecond // by which the clock of a file system may be behind
	time.Sleep(time.Until(c.changed.Truncate(time.Second).Add(time.Second + grain)))
	f, err := os.OpenFile(filepath.Join(c.pair.source, fileName(0)), os.O_WRONLY, 0)
	if err != nil {
		return nil, 0, err
	}
	_, err = f.WriteAt(content, offset)
	c.changed = time.Now()
	return content, offset, errors.Join(err, f.Close())
}

// has reports whether the replica has the change.
func (c *changer) has(content []byte, offset int64) bool {
	f, err := os.Open(filepath.Join(c.pair.replica, fileName(0)))
	if err != nil {
		return false
	}
	defer f.Close()
	have := make([]byte, len(content))
	_, err = f.ReadAt(have, offset)
	return err == nil && bytes.Equal(have, content)
}

func (c *changer) watched(ctx context.Context, with watcher) (time.Duration, error) {
	s, err := with.start(ctx, c.lab, c.pair)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	twin := filepath.Join(c.pair.replica, fileName(0))
	var before, now unix.Stat_t
	if err := unix.Lstat(twin, &before); err != nil {
		return 0, err
	}
	content, offset, err := c.change()
	if err != nil {
		return 0, err
	}
	taken, err := seen(ctx, time.Now(), func() bool {
		return unix.Lstat(twin, &now) == nil && now.Mtim != before.Mtim && c.has(content, offset)
	})
	if err == nil && now.Ino == before.Ino {
		err = errors.New("the replica's file was changed in place")
	}
	return taken, errors.Join(err, silently(ctx, "cmp", filepath.Join(c.pair.source, fileName(0)), twin))
}

func (c *changer) copied(ctx context.Context) (time.Duration, error) {
	content, offset, err := c.change()
	if err != nil {
		return 0, err
	}
	taken, _, err := c.lab.turn(ctx, fixed("rsync", "rsync", "-a", "--no-whole-file", "--inplace", c.pair.source+"/", c.pair.replica+"/"))
	if err == nil && !c.has(content, offset) {
		err = errors.New("rsync did not bring the change over")
	}
	return taken, err
}
