package at

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

const (
	folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	searchFlags = folderFlags // a folder that may not be read cannot be opened
	createFlags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC | unix.O_NOFOLLOW
	readFlags   = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	noAtime     = 0

	renameCall = "renameatx_np"
	seekHole   = 3 // SEEK_HOLE and SEEK_DATA of sys/unistd.h
	seekData   = 4
	utimeOmit  = -2 // UTIME_OMIT of sys/stat.h
)

// system is what the running system can do; it does not vary here.
type system struct {
	openat2   bool
	bothTimes bool // see Dir.SetBothTimes
}

func probed() *system { return &system{} }

func openRoot(path string) (fd int, pathOnly bool, err error) {
	fd, err = openat(unix.AT_FDCWD, path, folderFlags&^unix.O_NOFOLLOW)
	return fd, false, notFolder(err)
}

func (d *Dir) reopen() (fd int, pathOnly bool, err error) {
	fd, err = unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, true, os.NewSyscallError("fcntl", err)
}

// subAtOnce is never called: there is no openat2.
func (d *Dir) subAtOnce(path tree.Path, w Walk) (*Dir, error) { return d.subByComponent(path, w) }

func (d *Dir) openFile(name string) (File, error) {
	if err := checkName(name); err != nil {
		return File{}, err
	}
	fd, err := openat(d.fd, name, readFlags)
	switch {
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EOPNOTSUPP): // a symlink; a socket
		return File{}, ErrNotFile
	case err != nil:
		return File{}, err
	}
	return File{fd: fd, sys: d.sys}, nil
}

// Names appends every name of the folder to buf[:0], in no order. It returns
// all names or an error, never a part of them.
func (d *Dir) Names(buf []Name) ([]Name, error) {
	again, err := openat(d.fd, ".", folderFlags)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), "")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		var inner *os.PathError
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, os.NewSyscallError("readdir", err)
	}
	buf = buf[:0]
	for _, name := range names {
		buf = append(buf, Name{Name: name})
	}
	return buf, nil
}

// SyncFS asks the system to write everything to disk, and does not hear when
// that is done.
func (d *Dir) SyncFS() error { return os.NewSyscallError("sync", unix.Sync()) }

// SyncsFS reports that [Dir.SyncFS] does not stand for the disk.
func (d *Dir) SyncsFS() bool { return false }

// Mounting is not told here.
func (d *Dir) Mounting() string { return "" }

func mknodat(int, string, uint32, uint64) error { return unix.ENOTSUP }

func renameat(at int, name string, to int, toName string, how How) error {
	if how == Replace {
		return unix.Renameat(at, name, to, toName)
	}
	flags := [...]uint32{NoReplace: unix.RENAME_EXCL, Exchange: unix.RENAME_SWAP}[how]
	return unix.RenameatxNp(at, name, to, toName, flags)
}

// syncFile asks for more than fsync(2), which leaves the content in the cache
// of the disk; file systems that do not know F_FULLFSYNC get that.
func syncFile(fd int) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0); err == nil {
		return nil
	}
	return unix.Fsync(fd)
}
