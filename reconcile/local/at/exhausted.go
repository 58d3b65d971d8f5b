package at

import (
	"errors"
	"fmt"
	"syscall"
)

// Exhausted reports whether err says that this process, or the machine, has
// run out of descriptors or memory: it tells nothing about what was asked for.
func Exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// NoRoomError: an extended attribute of so many bytes could not be set, as the file
// system is full, or holds none of that size.
type NoRoomError struct {
	Name  string
	Bytes int
	Err   error
}

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("setxattr %q of %d bytes: %v", e.Name, e.Bytes, e.Err)
}

func (e *NoRoomError) Unwrap() error { return e.Err }
