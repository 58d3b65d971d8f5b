package main

import (
	"context"
	"time"

	"lockstep/logging"
	"lockstep/reconcile"
)

// How often the live line is brought up to date.
const (
	lineWhilePassing = 200 * time.Millisecond
	lineAtRest       = time.Second
	lineAsleep       = 15 * time.Second // when nothing has happened since the last time

	// lineSettles is how long after something happened the line is brought up to
	// date at the earliest: a path that is mirrored by then is not shown waiting,
	// which it would be for all of lineAtRest.
	lineSettles = 50 * time.Millisecond
)

// stir tells, without waiting, that something happened that the live line may
// show.
type stir chan struct{}

func (s stir) happened() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// lineKeeper feeds the live line.
type lineKeeper struct {
	status func() reconcile.Status
	state  func(reconcile.Status) logging.State // what is shown at rest
	stir   stir
	live   *logging.Live
}

// run feeds the line until ctx ends.
func (k *lineKeeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer k.live.EndProgress()
	var shown logging.State
	for {
		status, updated := k.status(), time.Now()
		pace, pause := lineAtRest, lineAtRest
		if status.Passing {
			k.live.Progress(logging.Progress{
				Label: "pass", Files: status.Files, TotalFiles: status.TotalFiles,
				Bytes: status.Bytes, TotalBytes: status.TotalBytes,
			})
			pace, pause = lineWhilePassing, lineWhilePassing
		} else {
			k.live.EndProgress()
			state := k.state(status)
			k.live.State(state)
			if state == shown && state.Waiting == 0 {
				pause = lineAsleep
			}
			shown = state
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			continue
		case <-k.stir:
			timer.Reset(max(pace-time.Since(updated), lineSettles))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}
