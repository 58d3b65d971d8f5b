//go:build unix

package logging

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// SurviveClosedConsole lets writes to a closed standard output or standard error fail with EPIPE instead of killing the
// process, which is what Go does by default for those two (https://pkg.go.dev/os/signal, SIGPIPE). To be called once, first
// thing in main. The signal is caught, not ignored: an ignored one would be inherited by child processes.
func SurviveClosedConsole() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// resizes receives when the terminal has got another size, until unsubscribe.
func resizes() (resized <-chan os.Signal, unsubscribe func()) {
	signals := make(chan os.Signal, 1) // one is enough: it says only that something changed
	signal.Notify(signals, syscall.SIGWINCH)
	return signals, func() { signal.Stop(signals) }
}

func understandsEscapes(int) bool { return true }

// inBackground reports whether the terminal is another job's: a shell shows its prompt there, and what is typed. One that is
// not our controlling terminal has no jobs (tcgetpgrp(3)).
func inBackground(fd int) bool {
	foreground, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && foreground > 0 && foreground != unix.Getpgrp()
}
