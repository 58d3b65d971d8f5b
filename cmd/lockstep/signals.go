package main

import (
	"context"
	"os"
	"os/signal"
	"time"
)

// stopGrace is how long a stop may take. What hangs in the kernel longer than
// that, as on a frozen file system, is left behind.
const stopGrace = 2 * time.Second

// untilSignal returns a context that ends with the first signal to stop. A
// second one ends the process at once, and so does a stop that takes longer
// than patience. Call release when everything has ended.
func untilSignal(parent context.Context, patience time.Duration) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals...)
	released := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-released:
			return
		}
		grace := time.NewTimer(patience)
		defer grace.Stop()
		select {
		case <-released:
			return
		case <-signals:
		case <-grace.C:
		}
		os.Exit(exitFailed)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		cancel()
	}
}
