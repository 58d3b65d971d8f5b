// Package confine takes from a process the right to open anything but what it
// serves, by Landlock (landlock(7)) where there is one: whatever a client
// finds, it does not get further than the folder.
package confine

import "errors"

// ErrUnsupported: the system cannot confine a process.
var ErrUnsupported = errors.New("this system has no Landlock")

// Rules are what stays open. Paths that do not exist are passed over.
type Rules struct {
	// Write may be read, written and searched, with all below it.
	Write []string
	// Read may be read and executed, with all below it.
	Read []string
}

// Restart starts this program anew in its own place, confined, with more
// variables in its environment. It returns only when it cannot. Call it before
// anything is opened that is not meant to be handed on. Errors:
// [ErrUnsupported].
func Restart(rules Rules, environment ...string) error { return restart(rules, environment) }
