package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// Names of the peers that copy.
const (
	copyAll    = "cp -a"
	copySynced = "cp -a, sync -f"
	rsyncAll   = "rsync -a"
	rcloneAll  = "rclone copy"
)

// copying says what is copied and what it is held against.
type copying struct {
	pair   string
	to     medium
	flags  []string
	goals  goals
	minima bool
}

// copies returns a measurement of copies of a source, each into a file system that was just made.
func copies(c copying) func(context.Context, *lab) ([]line, error) {
	return func(ctx context.Context, l *lab) ([]line, error) {
		p, err := l.pair(ctx, c.pair)
		if err != nil {
			return nil, err
		}
		r := &room{l: l, medium: c.to}
		defer r.empty()
		programs := []program{r.program("lockstep", func(to string) []string { return l.once(p.source, to, c.flags...) })}
		for _, peer := range r.copiers(p.source) {
			if _, ok := c.goals[peer.name]; ok {
				programs = append(programs, peer)
			}
		}
		times, err := l.contest(ctx, l.rounds, p.warm(ctx), programs...)
		if err != nil {
			return nil, err
		}
		part := 0.5
		if c.minima {
			part = 0
		}
		return c.goals.lines(times, part), r.check(ctx, p.source)
	}
}

// room is where copies are put: a new file system for each.
type room struct {
	l      *lab
	medium medium
	disk   *disk
}

func (r *room) empty() error {
	if r.disk == nil {
		return nil
	}
	d := r.disk
	r.disk = nil
	return r.l.drop(d)
}

func (r *room) renew(ctx context.Context) (err error) {
	if err := r.empty(); err != nil {
		return err
	}
	if r.disk, err = r.l.newDisk(ctx, r.medium); err != nil {
		return err
	}
	return silently(ctx, "sync") // what made it is not to be written while somebody is timed
}

func (r *room) to() string { return filepath.Join(r.disk.path, "copy") }

func (r *room) program(name string, command func(to string) []string) program {
	return program{name: name, prepare: r.renew, command: func() []string { return command(r.to()) }}
}

func (r *room) copiers(source string) []program {
	return []program{
		r.program(copyAll, func(to string) []string { return []string{"cp", "-a", source, to} }),
		r.program(copySynced, func(to string) []string {
			return []string{"sh", "-c", `cp -a "$0" "$1" && sync -f "$1"`, source, to}
		}),
		r.program(rsyncAll, func(to string) []string { return []string{"rsync", "-a", source + "/", to + "/"} }),
		r.program(rcloneAll, func(to string) []string { return []string{"rclone", "copy", "--links", source, to} }),
	}
}

// check copies once more and has lockstep verify what it made.
func (r *room) check(ctx context.Context, source string) error {
	if err := r.renew(ctx); err != nil {
		return err
	}
	if err := silently(ctx, r.l.once(source, r.to(), "--durability", "none")...); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	return silently(ctx, "diff", "-rq", "--no-dereference", source, r.to())
}
