//go:build unix

package logging

import "golang.org/x/sys/unix"

// openFlags: a link at the log file's name is refused, and a FIFO or device there does not make open wait.
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK
