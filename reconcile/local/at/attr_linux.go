package at

import (
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

const utimeOmit = unix.UTIME_OMIT

// SetMode sets the permission bits of name, setuid, setgid and sticky
// included. A symlink is not followed: it has no mode of its own, and the
// error is [ErrUnsupported]. The empty name is d.
//
// It calls fchmodat2(AT_SYMLINK_NOFOLLOW); before Linux 6.6 openat(O_PATH)
// and chmod on what /proc/self/fd has for it, as glibc does.
func (d *Dir) SetMode(name string, mode uint32) error {
	if name == "" {
		if d.pathOnly {
			return d.setOwnMode(mode)
		}
		return retry("fchmod", func() error { return unix.Fchmod(d.fd, mode) })
	}
	if d.sys.fchmodat2 {
		return d.call("fchmodat2", name, func() error {
			return unix.Fchmodat(d.fd, name, mode, unix.AT_SYMLINK_NOFOLLOW)
		})
	}
	if err := checkName(name); err != nil {
		return err
	}
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return d.sys.chmodThroughProc(fd, mode)
}

// setOwnMode sets the mode of a folder that fchmod refuses, for it was opened
// with O_PATH.
func (d *Dir) setOwnMode(mode uint32) error {
	if !d.sys.fchmodat2 {
		return d.sys.chmodThroughProc(d.fd, mode)
	}
	return retry("fchmodat2", func() error { return unix.Fchmodat(d.fd, "", mode, unix.AT_EMPTY_PATH) })
}

// chmodThroughProc sets the mode of what fd, opened with O_PATH, stands for.
// A symlink would be followed, for which chmod through /proc has no flag.
func (s *system) chmodThroughProc(fd int, mode uint32) error {
	var st unix.Stat_t
	if err := retry("fstat", func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return os.NewSyscallError("chmod", unix.EOPNOTSUPP)
	}
	path := s.proc + strconv.Itoa(fd)
	err := retry("chmod", func() error { return unix.Chmod(path, mode) })
	if errors.Is(err, unix.ENOENT) { // proc(5) is not mounted
		return os.NewSyscallError("chmod", unix.EOPNOTSUPP)
	}
	return err
}

func (d *Dir) setOwnOwner(uid, gid uint32) error {
	return retry("fchownat", func() error {
		return unix.Fchownat(d.fd, "", int(int32(uid)), int(int32(gid)), unix.AT_EMPTY_PATH)
	})
}

func (d *Dir) setOwnTime(t tree.Time) error {
	if !d.pathOnly {
		return setTime(d.fd, t, d.sys.bothTimes)
	}
	ts := times(t, d.sys.bothTimes)
	return retry("utimensat", func() error {
		err := unix.UtimesNanoAt(d.fd, "", ts[:], unix.AT_EMPTY_PATH)
		if err == unix.EINVAL { // before Linux 5.8
			err = unix.UtimesNanoAt(unix.AT_FDCWD, d.procPath(), ts[:], 0)
		}
		return err
	})
}

// setTime calls utimensat(2) without a path, as futimens(3) does.
func setTime(fd int, t tree.Time, both bool) error {
	ts := times(t, both)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if errno != unix.EINTR {
			return os.NewSyscallError("utimensat", noErrno(errno))
		}
	}
}

func syncFile(fd int) error { return unix.Fsync(fd) }

// StartSync has the system begin to bring n bytes at offset to disk, and does
// not wait for it (sync_file_range). Only [File.Sync] tells what became of it.
func (f *File) StartSync(offset, n int64) {
	unix.SyncFileRange(f.fd, offset, n, unix.SYNC_FILE_RANGE_WRITE)
}

// Clone makes f share all blocks of from (FICLONE, ioctl_ficlone(2)): the
// whole content and size at once. Errors: [ErrUnsupported].
func (f *File) Clone(from *File) error {
	for {
		err := unix.IoctlFileClone(f.fd, from.fd)
		if err != unix.EINTR {
			return unsupported("ioctl", err)
		}
	}
}

// Sequential tells the kernel that the file is about to be read from its
// start to its end.
func (f *File) Sequential() error {
	return retry("fadvise64", func() error { return unix.Fadvise(f.fd, 0, 0, unix.FADV_SEQUENTIAL) })
}

// Privileged reports whether this process may give files away and change
// those of others: CAP_CHOWN, CAP_FOWNER and CAP_DAC_OVERRIDE are in its
// effective set (capabilities(7)).
func Privileged() bool {
	const needed = 1<<unix.CAP_CHOWN | 1<<unix.CAP_FOWNER | 1<<unix.CAP_DAC_OVERRIDE
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.Geteuid() == 0
	}
	return data[0].Effective&needed == needed
}
