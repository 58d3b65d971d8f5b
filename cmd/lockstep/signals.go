package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// stopGrace is how long a stop may take. What hangs in the kernel longer than
// that, as on a frozen file system, is left behind.
const stopGrace = 2 * time.Second

// oneStop is how long signals after the first one may belong to the same stop:
// timeout(1) signals a process and then its group, and a terminal that is closed
// may be heard of from the kernel and from the shell.
const oneStop = 500 * time.Millisecond

// untilSignal returns a context that ends with the first signal to stop. A
// second one ends the process as soon as it cannot be a part of the same stop,
// and so does a stop that takes longer than patience. Call release when
// everything has ended.
func untilSignal(parent context.Context, patience time.Duration) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals()...)
	released := make(chan struct{})
	go func() {
		if why := awaitStop(signals, released, cancel, patience); why != "" {
			endNow(why)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		cancel()
	}
}

// awaitStop calls stop with the first signal, and returns why the process has to
// end before released, or "" when it has not.
func awaitStop(signals <-chan os.Signal, released <-chan struct{}, stop func(), patience time.Duration) (why string) {
	select {
	case <-signals:
		stop()
	case <-released:
		return ""
	}
	same, grace := time.NewTimer(oneStop), time.NewTimer(patience)
	defer same.Stop()
	defer grace.Stop()
	select {
	case <-released:
		return ""
	case <-grace.C:
		return fmt.Sprintf("not all has stopped within %v, perhaps a disk hangs", patience)
	case <-signals:
	}
	select {
	case <-released:
		return ""
	case <-same.C:
		return "told to stop a second time before all had stopped"
	}
}

// endNow ends the process and says why, unless standard error takes nothing.
func endNow(why string) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		if isTerminal(os.Stderr) {
			fmt.Fprintln(os.Stderr) // the live line is left as it is
		}
		(&ending{what: why, hint: "no harm is done: the next start brings over what is missing"}).print(os.Stderr)
	}()
	select {
	case <-told:
	case <-time.After(oneStop):
	}
	os.Exit(exitFailed)
}
