package main

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"lockstep/logging"
	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/tree"
	"lockstep/watcher"
)

// mirror carries out "lockstep SOURCE REPLICA": it opens everything, runs until
// it is told to stop (or for one pass), and closes everything.
func mirror(ctx context.Context, s settings, stdout io.Writer) error {
	ctx, stopped := untilSignal(ctx, stopGrace)
	defer stopped()
	requested, release := passRequests()
	defer release()
	p, err := admit(&s)
	if err != nil {
		return err
	}
	live := logging.NewLive(stdout, logging.LineOnTerminal)
	log, err := openLog(s, &p, live)
	if err != nil {
		return err
	}
	defer log.Close()
	crashTo(p.logFile)

	showing, hide := context.WithCancel(context.WithoutCancel(ctx)) // the last record is shown too
	var shown sync.WaitGroup
	shown.Go(func() { live.Run(showing) })
	defer shown.Wait()
	defer hide()
	return mirrorPair(ctx, s, p, surroundings{log, live, isTerminal(stdout), requested})
}

// openLog opens the log. One that was asked for has to be had; without the
// default one there is none.
func openLog(s settings, p *pair, live *logging.Live) (*logging.Log, error) {
	o := logging.Options{File: p.logFile, Console: live, Level: s.level, Format: s.format, Quiet: s.quiet}
	log, err := logging.Open(o)
	if err != nil && s.logFile == "" {
		p.logFile, p.noLogFile = "", noLog(err)
		o.File = ""
		log, err = logging.Open(o)
	}
	if err != nil {
		return nil, &ending{code: exitFailed, what: err.Error(), hint: "name another one with --log-file"}
	}
	return log, nil
}

// noLog says why there is no log file.
func noLog(err error) string { return "no log file is written: " + err.Error() }

// surroundings are what a run tells on, and what asks it for passes.
type surroundings struct {
	log       *logging.Log
	live      *logging.Live
	terminal  bool
	requested <-chan os.Signal
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// mirrorPair opens both folders and mirrors.
func mirrorPair(ctx context.Context, s settings, p pair, out surroundings) error {
	source, err := local.OpenSource(p.source)
	if err != nil {
		return unreadable(err)
	}
	defer source.Close()
	replica, err := openReplica(ctx, s, p, local.ReplicaOptions{Durability: s.durability, Cache: p.cache}, out.log)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer replica.Close()
	if s.method == tree.ByCache {
		pruneCaches(p.source, p.replica)
	}

	out.log.Start(logging.Start{
		Version: version(), Source: p.source, Replica: p.replica, LogFile: p.logFile, Settings: s.inForce(replica.Traits()),
	})
	if p.noLogFile != "" {
		out.log.Notice(logging.Notice{Class: "no_log_file", Text: p.noLogFile, Remedy: "name one with --log-file"})
	}
	if replica.created {
		out.log.Acted(logging.Acted{Action: "create", Path: "", Kind: "folder", Cause: logging.CausePass})
	}
	told := &observer{log: out.log, began: time.Now(), stir: make(stir, 1), once: s.once}
	m := reconcile.New(source, replica, reconcile.Options{
		Interval: s.interval, Workers: s.workers, Comparers: s.comparers, Method: s.method, Patience: patience(s.debounce),
		MaxDelete: s.maxDelete, AllowEmptySource: s.allowEmpty, CountAhead: out.terminal, Observer: told,
		Apart: apart(s, p),
	})
	release := replica.keep(ctx, absence{begins: told.stir.happened, ends: func() { m.RequestPass(reconcile.OnReturn) }})
	defer release()
	if s.once {
		return mirrorOnce(ctx, m, told, out)
	}
	return mirrorOn(ctx, m, told, followed{s, p, out, replica.away})
}

// apart returns what finds out whether the folders lie apart still; nil where
// one of them is on another machine.
func apart(s settings, p pair) func() error {
	if s.address != nil {
		return nil
	}
	return func() error { return local.CheckApart(p.source, p.replica) }
}

// patience is how long a path that is gone may take to turn up elsewhere: both
// names of a rename are quiet at about the same time.
func patience(debounce time.Duration) time.Duration {
	return debounce + 10*time.Millisecond
}

// anotherHint is what to do when somebody else writes the replica.
const anotherHint = "stop the other lockstep, or name another replica"

func replicaEnding(err error) error {
	if errors.Is(err, local.ErrLocked) {
		return &ending{code: exitFailed, what: err.Error(), hint: anotherHint}
	}
	return &ending{code: exitFailed, what: err.Error(), hint: "name a folder that can be written"}
}

// mirrorOnce makes one pass.
func mirrorOnce(ctx context.Context, m *reconcile.Mirror, told *observer, out surroundings) error {
	ending, end := context.WithCancel(ctx)
	var line sync.WaitGroup
	if out.terminal {
		line.Go(func() { (&lineKeeper{m.Status, stateOf, told.stir, out.live}).run(ending) })
	}
	report, err := m.Once(ctx)
	end()
	line.Wait()
	told.stopped(m)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		out.log.Failed(err, "")
		return failed(err)
	}
	return onceEnding(report)
}

// onceEnding turns the report of a single pass into an exit code.
func onceEnding(r reconcile.Report) error {
	switch {
	case r.Held > 0:
		return &ending{code: exitHeld, what: counted(r.Held, "removal") + " held", hint: "the log says why, and what to do"}
	case r.Problems > 0:
		return &ending{code: exitPartial, what: counted(r.Problems, "path") + " could not be mirrored", hint: "the log says why"}
	}
	return nil
}

// followed is what a mirror that goes on needs to know.
type followed struct {
	s   settings
	p   pair
	out surroundings
	// away reports whether the replica is out of reach.
	away func() bool
}

// mirrorOn watches first, then makes a pass, then follows.
func mirrorOn(ctx context.Context, m *reconcile.Mirror, told *observer, f followed) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	w := watcher.New(f.p.source, watcher.Options{Quiet: f.s.debounce})
	ready := make(chan struct{})
	var rooms sync.WaitGroup
	rooms.Go(func() {
		if err := w.Run(ctx, &sink{mirror: m, log: f.out.log, stir: told.stir, ready: ready}); err != nil {
			end(err)
		}
	})
	if f.out.terminal {
		state := func(status reconcile.Status) logging.State { return f.stateOf(status, w) }
		rooms.Go(func() { (&lineKeeper{m.Status, state, told.stir, f.out.live}).run(ctx) })
	}
	rooms.Go(func() {
		for {
			select {
			case <-f.out.requested:
				m.RequestPass(reconcile.OnRequest)
			case <-ctx.Done():
				return
			}
		}
	})
	rooms.Go(func() {
		select {
		case <-ready:
			if err := m.Run(ctx); err != nil {
				end(err)
			}
		case <-ctx.Done():
		}
	})
	rooms.Wait()
	told.stopped(m)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		f.out.log.Failed(err, "")
		return failed(err)
	}
	return nil
}

// failed returns the ending for an error that ends the mirror.
func failed(err error) error {
	if errors.Is(err, reconcile.ErrOverlap) {
		return &ending{code: exitFailed, what: err.Error(), hint: "take one folder out of the other"}
	}
	return &ending{code: exitFailed, what: err.Error()}
}

func stateOf(status reconcile.Status) logging.State {
	state := logging.State{
		Equal: !status.LastProof.IsZero(), Waiting: int64(status.Waiting),
		Problems: int64(status.Problems), Proved: status.LastProof,
	}
	if len(status.Held) > 0 {
		state.Held = string(status.Held[0].Reason)
	}
	return state
}

// stateOf adds what else is known of a mirror that goes on.
func (f followed) stateOf(status reconcile.Status, w *watcher.Watcher) logging.State {
	state, c := stateOf(status), w.Coverage()
	state.Away = f.away()
	state.Folders, state.Polled = int64(c.Watched+c.Polled), int64(c.Polled)
	return state
}
