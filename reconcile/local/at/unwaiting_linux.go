//go:build amd64 || arm64

package at

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// fileSystem asks once (fstatfs).
func (d *Dir) fileSystem() fileSystem {
	kind := d.kind.Load()
	if kind == notAsked {
		kind = elsewhere
		magic, _, err := d.FSType()
		switch {
		case err != nil:
		case magic == unix.TMPFS_MAGIC:
			kind = inMemory
		case magic == unix.EXT4_SUPER_MAGIC, magic == unix.XFS_SUPER_MAGIC,
			magic == unix.BTRFS_SUPER_MAGIC, magic == unix.F2FS_SUPER_MAGIC:
			kind = byItself
		}
		d.kind.Store(kind)
	}
	return kind
}

// openKnown calls openat2(RESOLVE_CACHED), which opens what the system has met
// before, and reports whether it did. name ends with a NUL byte.
func (d *Dir) openKnown(name *[tree.MaxName + 1]byte, flags uint64) (fd int, known bool) {
	if !d.sys.known || d.fileSystem() < byItself {
		return -1, false
	}
	how := unix.OpenHow{Flags: flags, Resolve: resolveCached}
	opened, _, errno := unix.RawSyscall6(unix.SYS_OPENAT2, uintptr(d.fd), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
	return int(opened), errno == 0
}

// stat calls fstat: a pass does it three times for each file.
func (f *File) stat(st *unix.Stat_t) error {
	if f.kind < byItself {
		return unix.Fstat(f.fd, st)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_FSTAT, uintptr(f.fd), uintptr(unsafe.Pointer(st)), 0)
	return noErrno(errno)
}

// listxattr calls flistxattr. What a file has none of is not looked for on the
// disk.
func (f *File) listxattr(buf []byte) (int, error) {
	if f.kind < byItself {
		return unix.Flistxattr(f.fd, buf)
	}
	n, _, errno := unix.RawSyscall(unix.SYS_FLISTXATTR, uintptr(f.fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
	return int(n), noErrno(errno)
}

// release calls close, which leaves nothing to be done of what was only read.
func (f *File) release(fd int) error {
	if f.kind < byItself || !f.readOnly {
		return unix.Close(fd)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return noErrno(errno)
}

// pread calls preadv2(RWF_NOWAIT), which reads what is in memory, and pread
// for the rest; p is not empty.
func (f *File) pread(p []byte, offset int64) (int, error) {
	var n uintptr
	var errno unix.Errno
	switch f.kind {
	case inMemory:
		n, _, errno = unix.RawSyscall6(unix.SYS_PREAD64, uintptr(f.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(offset), 0, 0)
	case byItself:
		to := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
		n, _, errno = unix.RawSyscall6(unix.SYS_PREADV2, uintptr(f.fd), uintptr(unsafe.Pointer(&to)), 1, uintptr(offset), 0, unix.RWF_NOWAIT)
	default:
		return unix.Pread(f.fd, p, offset)
	}
	if errno != 0 {
		return unix.Pread(f.fd, p, offset)
	}
	return int(n), nil
}

// pwrite calls pwrite; p is not empty.
func (f *File) pwrite(p []byte, offset int64) (int, error) {
	if f.kind < inMemory {
		return unix.Pwrite(f.fd, p, offset)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_PWRITE64, uintptr(f.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(offset), 0, 0)
	return int(n), noErrno(errno)
}
