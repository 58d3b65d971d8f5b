//go:build linux || darwin

package at

import (
	"os"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// FSType returns the type of the file system that d is on, as statfs(2)
// numbers them, and the number of this one among its like.
func (d *Dir) FSType() (kind, id uint64, err error) {
	st, err := d.statfs()
	if err != nil {
		return 0, 0, err
	}
	return uint64(uint32(st.Type)), uint64(uint32(st.Fsid.Val[0])) | uint64(uint32(st.Fsid.Val[1]))<<32, nil
}

// Space returns how many bytes this process could still write to the file
// system that d is on.
func (d *Dir) Space() (available uint64, err error) {
	st, err := d.statfs()
	return uint64(st.Bavail) * uint64(st.Bsize), err
}

func (d *Dir) statfs() (st unix.Statfs_t, err error) {
	for {
		err = unix.Fstatfs(d.fd, &st)
		if err != unix.EINTR {
			return st, os.NewSyscallError("fstatfs", err)
		}
	}
}

func kindOf(mode uint32) tree.Kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return tree.File
	case unix.S_IFDIR:
		return tree.Folder
	case unix.S_IFLNK:
		return tree.Symlink
	case unix.S_IFIFO:
		return tree.FIFO
	case unix.S_IFCHR:
		return tree.CharDevice
	case unix.S_IFBLK:
		return tree.BlockDevice
	case unix.S_IFSOCK:
		return tree.Socket
	}
	return tree.Absent
}

// times are what utimensat(2) takes to set t, and nothing else unless both.
func times(t tree.Time, both bool) (ts [2]unix.Timespec) {
	ts[0].Nsec = utimeOmit
	put(&ts[1].Sec, t.Sec)
	put(&ts[1].Nsec, int64(t.Nsec))
	if both {
		ts[0] = ts[1]
	}
	return ts
}

// put stores v in a field whose width depends on the processor.
func put[T ~int32 | ~int64](field *T, v int64) { *field = T(v) }
