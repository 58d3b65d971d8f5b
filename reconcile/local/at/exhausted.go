package at

import (
	"errors"
	"syscall"
)

// Exhausted reports whether err says that this process, or the machine, has
// run out of descriptors or memory: it tells nothing about what was asked for.
func Exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
