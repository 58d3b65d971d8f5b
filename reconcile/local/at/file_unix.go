//go:build linux || darwin

package at

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// File is an open regular file. One goroutine at a time, but for ReadAt.
type File struct {
	fd   int
	sys  *system
	kind fileSystem
	// sparse is what the last Entry saw.
	sparse bool
	// readOnly: it was opened so. timed: see approval.
	readOnly, timed bool
}

// ReadAt reads as [io.ReaderAt] says.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := f.pread(p[done:], offset+int64(done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, os.NewSyscallError("pread", err)
		case n == 0:
			return done, io.EOF
		default:
			done += n
		}
	}
	return done, nil
}

// WriteAt writes all of p at offset, as [io.WriterAt] says.
func (f *File) WriteAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := f.pwrite(p[done:], offset+int64(done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, os.NewSyscallError("pwrite", err)
		case n == 0:
			return done, os.NewSyscallError("pwrite", unix.ENOSPC)
		default:
			done += n
		}
	}
	return done, nil
}

// Truncate makes the file size bytes long; what it gains is a hole.
func (f *File) Truncate(size int64) error {
	return retry("ftruncate", func() error { return unix.Ftruncate(f.fd, size) })
}

// Sync returns when content, size and attributes are on disk. After an error
// the content must be taken for lost: another Sync may well say nothing.
func (f *File) Sync() error {
	return retry("fsync", func() error { return syncFile(f.fd) })
}

// Close releases the file. An error after writing says that what was written
// may be lost.
func (f *File) Close() error {
	fd := f.fd
	f.fd = -1
	return os.NewSyscallError("close", f.release(fd))
}

// SetOwner gives the file to uid and gid; [Keep] leaves one as it is. Setuid,
// setgid and capabilities are lost by this.
func (f *File) SetOwner(uid, gid uint32) error {
	return retry("fchown", func() error { return unix.Fchown(f.fd, int(int32(uid)), int(int32(gid))) })
}

// SetMode sets the permission bits, setuid, setgid and sticky included.
func (f *File) SetMode(mode uint32) error {
	return retry("fchmod", func() error { return unix.Fchmod(f.fd, mode) })
}

// SetTime sets the modification time; the time of the last access stays, but
// see [Dir.SetBothTimes].
func (f *File) SetTime(t tree.Time) error { return setTime(f.fd, t, f.sys.bothTimes) }

// Identity is the file's own; zero where the file system may change it while
// the file is in use.
func (f *File) Identity() (tree.ID, error) {
	if f.kind < byItself {
		return tree.ID{}, nil
	}
	e, err := f.Entry()
	return e.ID, err
}

// Sparse reports whether the file took up less room than its size when Entry
// was last called: it may have holes that [File.Data] tells.
func (f *File) Sparse() bool { return f.sparse }

// Data returns the next range [start, end) at or after offset that is not a
// hole; [io.EOF] when none follows. Where the file system tells no holes, the
// rest of the file is one range.
func (f *File) Data(offset int64) (start, end int64, err error) {
	start, err = f.seek(offset, seekData)
	if errors.Is(err, unix.ENXIO) {
		return 0, 0, io.EOF
	}
	if err == nil {
		end, err = f.seek(start, seekHole)
		if err == nil && start < end {
			return start, end, nil
		}
		if errors.Is(err, unix.ENXIO) { // the file became shorter meanwhile
			return 0, 0, io.EOF
		}
	}
	// Without an error, there was data that is a hole by now, and more may follow.
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, ErrUnsupported) {
		return 0, 0, err
	}
	e, err := f.Entry()
	if err != nil {
		return 0, 0, err
	}
	if offset >= e.Size {
		return 0, 0, io.EOF
	}
	return offset, e.Size, nil
}

func (f *File) seek(offset int64, whence int) (int64, error) {
	for {
		n, err := unix.Seek(f.fd, offset, whence)
		if err != unix.EINTR {
			return n, os.NewSyscallError("lseek", err)
		}
	}
}

// unsupported gives the errnos by which systems say "not between these two
// files" the name [ErrUnsupported]: ETXTBSY is said of one that is swapped to.
func unsupported(call string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EXDEV, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOTTY, unix.ETXTBSY:
		return fmt.Errorf("%w: %w", ErrUnsupported, os.NewSyscallError(call, err))
	}
	return os.NewSyscallError(call, err)
}

func isErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }
