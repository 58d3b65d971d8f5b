package watcher

import "golang.org/x/sys/unix"

// remoteName asks for the flag that marks file systems on this machine.
func remoteName(fd int) string {
	var st unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &st) }); err != nil || st.Flags&unix.MNT_LOCAL != 0 {
		return ""
	}
	return unix.ByteSliceToString(st.Fstypename[:])
}
