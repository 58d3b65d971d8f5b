package main

import (
	"context"
	"slices"
)

// goals are the limits by peer; 0 for one that is only told of.
type goals map[string]float64

// passes returns a measurement of passes over trees that are equal and in memory, with a share of the rounds.
func passes(name string, share float64, g goals) func(context.Context, *lab) ([]line, error) {
	return func(ctx context.Context, l *lab) ([]line, error) {
		p, err := l.pair(ctx, name)
		if err != nil {
			return nil, err
		}
		programs := []program{fixed("lockstep", l.once(p.source, p.replica)...)}
		for _, peer := range p.comparers() {
			if _, ok := g[peer.name]; ok {
				programs = append(programs, peer)
			}
		}
		rounds := max(1, int(share*float64(l.rounds)))
		times, err := l.contest(ctx, rounds, p.warm(ctx), programs...)
		if err != nil {
			return nil, err
		}
		return g.lines(times, 0.5), nil
	}
}

// lines compares the first series with each other one.
func (g goals) lines(times []series, part float64) []line {
	var lines []line
	for _, theirs := range times[1:] {
		lines = append(lines, target{limit: g[theirs.name], part: part}.against(times[0], theirs))
	}
	return lines
}

// comparers are the programs that read both trees and find nothing to do.
func (p *pair) comparers() []program {
	return []program{
		fixed("rsync -aHAXc", "rsync", "-aHAXc", p.source+"/", p.replica+"/"),
		fixed("rsync -ac", "rsync", "-ac", p.source+"/", p.replica+"/"),
		fixed("diff -rq", "diff", "-rq", "--no-dereference", p.source, p.replica),
		fixed("rclone sync --checksum", "rclone", "sync", "--links", "--checksum", p.source, p.replica),
	}
}

// warm reads both trees, where that is not always in memory.
func (p *pair) warm(ctx context.Context) func() error {
	if p.disk.medium.warm() {
		return nil
	}
	return func() error { return readWhole(ctx, p.source, p.replica) }
}

// cached measures passes that trust what an earlier one has read: the first round fills the caches.
func cached(ctx context.Context, l *lab) ([]line, error) {
	p, err := l.pair(ctx, pairT1)
	if err != nil {
		return nil, err
	}
	times, err := l.contest(ctx, l.rounds, p.warm(ctx),
		fixed("lockstep", l.once(p.source, p.replica, "--compare", "cached")...),
		fixed("rsync -a", "rsync", "-a", p.source+"/", p.replica+"/"),
		fixed("unison -batch", "unison", "-ui", "text", "-batch", "-times", "-silent", p.source, p.replica),
	)
	if err != nil {
		return nil, err
	}
	metadata, err := l.contest(ctx, l.rounds, p.warm(ctx),
		fixed("lockstep", l.once(p.source, p.replica, "--compare", "metadata")...))
	if err != nil {
		return nil, err
	}
	lines := goals{"rsync -a": 0.6}.lines(times, 0.5)
	extra := target{}.against(metadata[0], times[slices.IndexFunc(times, func(s series) bool { return s.name == "rsync -a" })])
	extra.work = "pass with --compare metadata, nothing changed (T1)"
	return append(lines, extra), nil
}
