package logging

import (
	"os"

	"golang.org/x/sys/windows"
)

// SurviveClosedConsole does nothing: a write to a closed pipe is an ordinary error here.
func SurviveClosedConsole() {}

// resizes never receives: this system has no such signal, and the width is measured whenever the line is drawn.
func resizes() (resized <-chan os.Signal, unsubscribe func()) { return nil, func() {} }

// understandsEscapes switches the console to escape sequences and reports whether it can.
func understandsEscapes(fd int) bool {
	var mode uint32
	h := windows.Handle(fd)
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// inBackground: there are no jobs here.
func inBackground(int) bool { return false }
