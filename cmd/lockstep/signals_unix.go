//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopSignals returns what ends a mirror cleanly; SIGHUP is what a terminal that
// is closed sends, unless we were started by nohup(1) and are to outlive it.
func stopSignals() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	}
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
}

// passRequests receives when SIGUSR1 asks for a pass, until release. One that
// comes earlier is lost, and needs nothing: the first pass is still to come.
// RACE: until the runtime of Go handles signals, some 2 ms after the start, it
// ends the process, as it does with every program.
func passRequests() (requested <-chan os.Signal, release func()) {
	signals := make(chan os.Signal, 1) // more requests than one are one
	signal.Notify(signals, syscall.SIGUSR1)
	return signals, func() { signal.Stop(signals) }
}
