package chunk

import (
	"os"

	"golang.org/x/sys/unix"
)

// openUnnamed makes a file on the file system of folder, for as long as it is
// open (O_TMPFILE of open(2)).
func openUnnamed(folder string) (*os.File, error) {
	return os.OpenFile(folder, unix.O_TMPFILE|os.O_RDWR, 0o600)
}
