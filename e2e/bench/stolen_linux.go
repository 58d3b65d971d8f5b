package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Of a virtual machine, the host may give processors to others for a while. That costs a program that uses all of them more than one
// that uses one, so a turn of which more than a share was stolen is repeated.
const (
	muchStolen = 0.02
	mostTries  = 3
)

// ticks are what proc(5) counts for all processors since the system was started.
type ticks struct{ stolen, all int64 }

func processorTicks() (t ticks, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first)[1:9] { // what comes after is part of these
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return t, fmt.Errorf("/proc/stat: %w", err)
		}
		t.all += n
		if i == 7 {
			t.stolen = n
		}
	}
	return t, nil
}

// since returns the share that was stolen since an earlier moment.
func (t ticks) since(before ticks) float64 {
	if t.all == before.all {
		return 0
	}
	return float64(t.stolen-before.stolen) / float64(t.all-before.all)
}

// turnOf is a turn of a program.
type turnOf struct {
	taken, cpu time.Duration
	stolen     float64 // share of the processors' time
}

// leastDisturbed runs a program once, or more often while much is stolen, and returns the turn of which the least was.
func (l *lab) leastDisturbed(ctx context.Context, before func() error, p program) (best turnOf, err error) {
	for try := range mostTries {
		if before != nil {
			if err := before(); err != nil {
				return best, err
			}
		}
		began, err := processorTicks()
		if err != nil {
			return best, err
		}
		var turn turnOf
		if turn.taken, turn.cpu, err = l.turn(ctx, p); err != nil {
			return best, err
		}
		ended, err := processorTicks()
		if err != nil {
			return best, err
		}
		turn.stolen = ended.since(began)
		if try == 0 || turn.stolen < best.stolen {
			best = turn
		}
		if best.stolen <= muchStolen {
			break
		}
	}
	return best, nil
}
