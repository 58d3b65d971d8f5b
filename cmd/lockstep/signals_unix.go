//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopSignals end a mirror cleanly; SIGHUP is what a terminal that is closed
// sends.
var stopSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// onRequest calls ask at every SIGUSR1 until stop is called.
func onRequest(ask func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				ask()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
