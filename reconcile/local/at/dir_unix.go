//go:build linux || darwin

package at

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// Dir is an open folder. It stays the same folder when it is renamed or
// removed. Safe for concurrent use until closed.
type Dir struct {
	// Set when it is opened. pathOnly: the folder may not be read.
	fd       int
	pathOnly bool
	sys      *system

	// listing guards the position of fd, which is the beginning until the
	// folder is listed.
	listing sync.Mutex
	listed  bool

	// kind of file system, found out when it is first asked for.
	kind atomic.Uint32
}

// Readable reports whether d was opened with the right to list the folder.
func (d *Dir) Readable() bool { return !d.pathOnly }

// Open opens the folder at path as a root. The path is resolved once,
// symlinks included; from then on only the handle counts. The caller closes
// it. Errors: [fs.ErrNotExist], [ErrNotFolder].
func Open(path string) (*Dir, error) {
	fd, pathOnly, err := openRoot(path)
	if err != nil {
		return nil, err
	}
	sys := *probed()
	return &Dir{fd: fd, pathOnly: pathOnly, sys: &sys}, nil
}

// below makes a folder of what was opened below d, by a walk that crossed what
// w says. On one mount there is one file system.
func (d *Dir) below(fd int, pathOnly bool, w Walk) *Dir {
	sub := &Dir{fd: fd, pathOnly: pathOnly, sys: d.sys}
	if w == OneMount {
		sub.kind.Store(d.fileSystem())
	}
	return sub
}

// Close releases the handle.
func (d *Dir) Close() error {
	fd := d.fd
	d.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}

// CreateFile makes the file name, for its owner alone, and opens it for
// reading and writing. Errors: [fs.ErrExist].
func (d *Dir) CreateFile(name string) (*File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	for {
		fd, err := unix.Openat(d.fd, name, createFlags, newFileMode)
		if err == nil {
			return &File{fd: fd, sys: d.sys, kind: d.fileSystem()}, nil
		}
		if err != unix.EINTR {
			return nil, os.NewSyscallError("openat", err)
		}
	}
}

// Mkdir makes the folder name, for its owner alone.
func (d *Dir) Mkdir(name string) error {
	return d.call("mkdirat", name, func() error { return unix.Mkdirat(d.fd, name, newFolderMode) })
}

// Symlink makes the symlink name with the given text.
func (d *Dir) Symlink(text, name string) error {
	return d.call("symlinkat", name, func() error { return unix.Symlinkat(text, d.fd, name) })
}

// Mknod makes a FIFO or a device node, for its owner alone. device counts for
// the latter only.
func (d *Dir) Mknod(name string, kind tree.Kind, device uint64) error {
	return d.call("mknodat", name, func() error {
		switch kind {
		case tree.FIFO:
			return mknodat(d.fd, name, unix.S_IFIFO|newFileMode, 0)
		case tree.CharDevice:
			return mknodat(d.fd, name, unix.S_IFCHR|newFileMode, device)
		case tree.BlockDevice:
			return mknodat(d.fd, name, unix.S_IFBLK|newFileMode, device)
		default:
			return unix.EINVAL
		}
	})
}

// Link gives what stands at name, itself if it is a symlink, the further name
// toName in to. Errors: [fs.ErrExist].
func (d *Dir) Link(name string, to *Dir, toName string) error {
	if err := checkName(toName); err != nil {
		return err
	}
	return d.call("linkat", name, func() error { return unix.Linkat(d.fd, name, to.fd, toName, 0) })
}

// Rename gives what stands at name the name toName in to. Where the file
// system cannot do what how asks for, nothing was changed and the error is
// [ErrUnsupported].
func (d *Dir) Rename(name string, to *Dir, toName string, how How) error {
	if err := checkName(toName); err != nil {
		return err
	}
	return d.call(renameCall, name, func() error {
		err := renameat(d.fd, name, to.fd, toName, how)
		if how != Replace && (err == unix.EINVAL || err == unix.ENOSYS || err == unix.ENOTSUP) {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return err
	})
}

// Unlink removes name, which must not be a folder.
func (d *Dir) Unlink(name string) error {
	return d.call("unlinkat", name, func() error { return unix.Unlinkat(d.fd, name, 0) })
}

// Rmdir removes the empty folder name.
func (d *Dir) Rmdir(name string) error {
	return d.call("unlinkat", name, func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) })
}

// SetOwner gives name to uid and gid; [Keep] leaves one as it is. A file loses
// setuid and setgid, and its capabilities, by this. The empty name is d.
func (d *Dir) SetOwner(name string, uid, gid uint32) error {
	if name == "" {
		return d.setOwnOwner(uid, gid)
	}
	return d.call("fchownat", name, func() error {
		return unix.Fchownat(d.fd, name, int(int32(uid)), int(int32(gid)), unix.AT_SYMLINK_NOFOLLOW)
	})
}

// SetTime sets the modification time of name, of a symlink too. The time of
// the last access stays. The empty name is d.
func (d *Dir) SetTime(name string, t tree.Time) error {
	if name == "" {
		return d.setOwnTime(t)
	}
	return d.call("utimensat", name, func() error {
		ts := times(t, d.sys.bothTimes)
		return unix.UtimesNanoAt(d.fd, name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	})
}

// SetBothTimes makes every time that is set at and below the same root be set
// as that of the last access too: version 2 of libfuse lets some file systems
// ignore a call that sets one alone. Call it before anything else is opened.
func (d *Dir) SetBothTimes() { d.sys.bothTimes = true }

// Lock takes the lock of the folder, which ends with the handle at the
// latest. Errors: [ErrLocked]; [fs.ErrPermission] for one that may not be read.
func (d *Dir) Lock() error {
	if d.pathOnly {
		return os.NewSyscallError("openat", unix.EACCES)
	}
	err := retry("flock", func() error { return unix.Flock(d.fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil && isErrno(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// call checks name and makes a system call on it.
func (d *Dir) call(call, name string, f func() error) error {
	if err := checkName(name); err != nil {
		return err
	}
	return retry(call, f)
}

// retry calls f until no signal interrupts it.
func retry(call string, f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return os.NewSyscallError(call, err)
		}
	}
}
