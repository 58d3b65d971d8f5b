//go:build unix && !linux

package watcher

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const (
	openRoot     = unix.O_RDONLY
	noAtime      = 0
	pathMax      = 1024
	costPerEntry = 1 // kqueue holds each file of a watched folder open
)

func openBelow(fd int, path string, flags int) (int, error) { return openEach(fd, path, flags) }

// readRoot calls lstat; the time of birth and the mount are not compared here.
func readRoot(root string) (rootID, attr, error) {
	var st unix.Stat_t
	_, err := retry(func() (int, error) { return 0, unix.Lstat(root, &st) })
	if err != nil {
		return rootID{}, attr{}, &fs.PathError{Op: "lstat", Path: root, Err: err}
	}
	a := attrOf(&st)
	if !a.folder {
		return rootID{identity: a.id}, a, &fs.PathError{Op: "lstat", Path: root, Err: errNoFolder}
	}
	return rootID{identity: a.id}, a, nil
}

// The limit here is the number of open files.
func watchLimit() int    { return openFiles() }
func instanceLimit() int { return 0 }

func watchRemedy(need int) string { return fmt.Sprintf("ulimit -n %d", 2*need+1024) }

func instanceRemedy(int) string { return "" }

// fileBudget leaves half of the open files to everything else, and to entries that come later.
func fileBudget() int { return openFiles() / 2 }

func openFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 256 // the least that any of these systems grants
	}
	return int(min(uint64(limit.Cur), 1<<16))
}
