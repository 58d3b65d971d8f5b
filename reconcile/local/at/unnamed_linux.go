package at

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CreateUnnamed makes a file in d that has no name, with a mode of which the
// system takes away what it does from every new file, and opens it for reading
// and writing (O_TMPFILE). Unless [File.Link] gives it
// one, it is gone when it is closed. Errors: [ErrUnsupported], also where a
// file system could tell at the close only that what was written is lost.
func (d *Dir) CreateUnnamed(mode uint32) (*File, error) {
	kind := d.fileSystem()
	if kind < byItself {
		return nil, ErrUnsupported
	}
	for {
		fd, err := unix.Openat(d.fd, ".", unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, mode)
		switch err {
		case nil:
			return &File{fd: fd, sys: d.sys, kind: kind}, nil
		case unix.EINTR:
		case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL:
			return nil, ErrUnsupported
		default:
			return nil, os.NewSyscallError("openat", err)
		}
	}
}

// Again returns another handle of the file, at no cost to a file without a
// name: there is no path to open it by.
func (f *File) Again() (*File, error) {
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &File{fd: fd, sys: f.sys, kind: f.kind}, nil
}

// Descriptors is how many this process may have open.
func Descriptors() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Cur
}

// Link gives a file that was made without a name the name in d. It asks for
// the descriptor itself; where the rights for that are missing (before Linux
// 6.10), for the link that proc(5) has for it. Errors: [fs.ErrExist].
func (f *File) Link(d *Dir, name string) error {
	return d.call("linkat", name, func() error {
		err := unix.Linkat(f.fd, "", d.fd, name, unix.AT_EMPTY_PATH)
		if err == unix.ENOENT {
			err = unix.Linkat(unix.AT_FDCWD, d.sys.proc+strconv.Itoa(f.fd), d.fd, name, unix.AT_SYMLINK_FOLLOW)
		}
		return err
	})
}
