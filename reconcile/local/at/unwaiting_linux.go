//go:build amd64 || arm64

package at

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// approval says whether opening and reading wait for somebody's approval: that
// of a process (FAN_OPEN_PERM and FAN_ACCESS_PERM of fanotify(7)), or of the
// system itself, which may read a file before it opens it (IMA). Nothing tells
// of them but the time that they take, and a call that has begun to wait for
// them cannot be taken back. So some calls are timed, and when they take long
// those after them are announced for a while. Safe for concurrent use.
type approval struct {
	since time.Time    // what times are counted from
	until atomic.Int64 // the time up to which calls are announced
	doubt atomic.Int32 // so many more calls are timed, whatever the file
}

const (
	// timedOf: the calls on one file of so many are timed. To look at the clock
	// costs as much as to announce a call.
	timedOf = 16
	// longCall is how long a call may hold a processor of the scheduler, which
	// leaves one that long to a goroutine that only computes. Where there is
	// much to do for the machine, calls take as long now and then, so it takes
	// two of them with at most inDoubt calls between, or one of longestTurn,
	// for which no other process has a processor.
	longCall    = 10 * time.Millisecond
	inDoubt     = 100
	longestTurn = 200 * time.Millisecond
	// announcedFor is how many times as long as the last one took calls are
	// announced then: they wait unannounced for a hundredth of the time. If it
	// was this process that was stopped, maxAnnounced ends it.
	announcedFor = 100
	maxAnnounced = time.Hour

	untimed = -1
)

func newApproval() *approval {
	a := &approval{since: time.Now()}
	a.doubt.Store(1) // the first call is timed
	return a
}

// toss says whether the calls on a file are timed.
func (a *approval) toss() bool { return rand.Uint32()%timedOf == 0 }

// begin reports whether a call may be left unannounced. began is for end, which
// is called after it then.
func (a *approval) begin(timed bool) (began time.Duration, ok bool) {
	if !timed && a.doubt.Load() == 0 {
		return untimed, true
	}
	began = time.Since(a.since)
	return began, int64(began) >= a.until.Load()
}

// end takes up how long a call took.
func (a *approval) end(began time.Duration) {
	if began != untimed {
		a.timed(began)
	}
}

// timed is end of a call that was timed.
func (a *approval) timed(began time.Duration) {
	now, doubt := time.Since(a.since), a.doubt.Load()
	took := now - began
	switch {
	case took <= longCall:
		if doubt > 0 {
			a.doubt.CompareAndSwap(doubt, doubt-1)
		}
	case int64(began) < a.until.Load(): // it waited beside one that was noticed
	case doubt == 0 && took < longestTurn:
		a.doubt.Store(inDoubt)
	default:
		a.until.Store(int64(now + min(announcedFor*took, maxAnnounced)))
		a.doubt.Store(inDoubt)
	}
}

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
func (d *Dir) openKnown(name *[tree.MaxName + 1]byte, flags uint64, timed bool) (fd int, known bool) {
	if !d.sys.known || d.fileSystem() < byItself {
		return -1, false
	}
	began, ok := d.sys.approval.begin(timed)
	if !ok {
		return -1, false
	}
	how := unix.OpenHow{Flags: flags, Resolve: resolveCached}
	opened, _, errno := unix.RawSyscall6(unix.SYS_OPENAT2, uintptr(d.fd), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
	d.sys.approval.end(began)
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
	if f.kind < byItself {
		return unix.Pread(f.fd, p, offset)
	}
	began, ok := f.sys.approval.begin(f.timed)
	if !ok {
		return unix.Pread(f.fd, p, offset)
	}
	var n uintptr
	var errno unix.Errno
	switch f.kind {
	case inMemory:
		n, _, errno = unix.RawSyscall6(unix.SYS_PREAD64, uintptr(f.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(offset), 0, 0)
	case byItself:
		to := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
		n, _, errno = unix.RawSyscall6(unix.SYS_PREADV2, uintptr(f.fd), uintptr(unsafe.Pointer(&to)), 1, uintptr(offset), 0, unix.RWF_NOWAIT)
	}
	f.sys.approval.end(began)
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
