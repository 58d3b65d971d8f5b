package at

import (
	"io"
	"os"

	"golang.org/x/sys/windows"

	"lockstep/reconcile/tree"
)

// File is an open regular file. One goroutine at a time, but for ReadAt.
type File struct{ f *os.File }

// ReadAt reads as [io.ReaderAt] says.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.f.ReadAt(p, offset)
	return n, inner(err)
}

// WriteAt writes all of p at offset, as [io.WriterAt] says.
func (f *File) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.f.WriteAt(p, offset)
	return n, inner(err)
}

// Truncate makes the file size bytes long.
func (f *File) Truncate(size int64) error { return inner(f.f.Truncate(size)) }

// Sync returns when content, size and attributes are on disk.
func (f *File) Sync() error { return inner(f.f.Sync()) }

// Close releases the file.
func (f *File) Close() error { return inner(f.f.Close()) }

// SetOwner answers [ErrUnsupported] unless nothing is to change.
func (f *File) SetOwner(uid, gid uint32) error { return keepOwner(uid, gid) }

// SetMode sets whether the file may be written.
func (f *File) SetMode(mode uint32) error { return inner(f.f.Chmod(os.FileMode(mode & 0o777))) }

// SetTime sets the modification time, in steps of 100 ns.
func (f *File) SetTime(t tree.Time) error {
	written := windows.NsecToFiletime(t.Time().UnixNano())
	return os.NewSyscallError("SetFileTime", windows.SetFileTime(windows.Handle(f.f.Fd()), nil, nil, &written))
}

// Identity is the file's own; zero, as nothing is known of it here.
func (f *File) Identity() (tree.ID, error) { return tree.ID{}, nil }

// Entry is the file as it is now, without a name.
func (f *File) Entry() (tree.Entry, error) {
	info, err := f.f.Stat()
	if err != nil {
		return tree.Entry{}, inner(err)
	}
	return entry("", info, f.f), nil
}

// Xattrs returns none: there are none that are mirrored.
func (f *File) Xattrs() ([]tree.Xattr, error) { return nil, nil }

// SetXattrs answers [ErrUnsupported] unless nothing is wanted.
func (f *File) SetXattrs(want, have []tree.Xattr) error { return noXattrs(want) }

// Sparse reports false: holes are not told here.
func (f *File) Sparse() bool { return false }

// Data returns the rest of the file as one range; [io.EOF] at its end.
func (f *File) Data(offset int64) (start, end int64, err error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, 0, inner(err)
	}
	if offset >= info.Size() {
		return 0, 0, io.EOF
	}
	return offset, info.Size(), nil
}

// Clone answers [ErrUnsupported].
func (f *File) Clone(from *File) error { return ErrUnsupported }

// StartSync does nothing here.
func (f *File) StartSync(offset, n int64) {}

// Sequential does nothing here.
func (f *File) Sequential() error { return nil }

func keepOwner(uid, gid uint32) error {
	if uid != Keep || gid != Keep {
		return ErrUnsupported
	}
	return nil
}

func noXattrs(want []tree.Xattr) error {
	if len(want) > 0 {
		return ErrUnsupported
	}
	return nil
}
