package rig

import (
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

var inotifyLine = regexp.MustCompile(`(?m)^inotify wd:.* mask:([0-9a-f]+) `)

// Watches counts the inotify watches that tell what happens in a folder, in the text of a file below /proc/*/fdinfo
// (proc_pid_fdinfo(5)). It leaves out those that tell what happens to a folder itself alone, as lockstep has them above the source.
func Watches(fdinfo []byte) (n int) {
	for _, line := range inotifyLine.FindAllSubmatch(fdinfo, -1) {
		if mask, err := strconv.ParseUint(string(line[1]), 16, 32); err == nil && mask&unix.IN_CREATE != 0 {
			n++
		}
	}
	return n
}
