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

// passRequests receives when SIGUSR1 asks for a pass, until release. To be
// called early: a signal that nobody receives ends the process.
func passRequests() (requested <-chan os.Signal, release func()) {
	signals := make(chan os.Signal, 1) // more requests than one are one
	signal.Notify(signals, syscall.SIGUSR1)
	return signals, func() { signal.Stop(signals) }
}
