package main

import (
	"os"
	"runtime/debug"
)

// crashTo makes a crash write its stacks to the log file too; they go to
// standard error in any case.
func crashTo(logFile string) {
	if logFile == "" {
		return
	}
	f, err := os.OpenFile(logFile, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close() // the runtime keeps a descriptor of its own
	_ = debug.SetCrashOutput(f, debug.CrashOptions{})
}
