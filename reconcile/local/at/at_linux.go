package at

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// procFD is where proc(5) has a link for every open descriptor.
const procFD = "/proc/self/fd/"

const (
	folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	searchFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	createFlags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC | unix.O_NOFOLLOW
	// Neither a FIFO nor a device may block, and no terminal may become ours.
	readFlags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

	// noAtime keeps our reading out of the times of access. Only who owns an
	// entry may ask for it; everybody else gets EPERM.
	noAtime = unix.O_NOATIME

	resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

	// resolveCached is RESOLVE_CACHED of linux/openat2.h.
	resolveCached = 0x20

	renameCall = "renameat2"
	seekData   = unix.SEEK_DATA
	seekHole   = unix.SEEK_HOLE
)

// system is what the running system can do.
type system struct {
	openat2   bool // since Linux 5.6; seccomp filters may refuse it with EPERM
	known     bool // openat2 with RESOLVE_CACHED, since Linux 5.12
	fchmodat2 bool // since Linux 6.6
	bothTimes bool // see Dir.SetBothTimes
	xattrat   bool // listxattrat, since Linux 6.13
	// proc is where proc(5) has a link for every open descriptor.
	proc     string
	approval *approval
}

// probed finds it out, once: it does not change while this process runs.
var probed = sync.OnceValue(probe)

func probe() *system {
	s := system{proc: procFD, openat2: true, approval: newApproval()}
	how := unix.OpenHow{Flags: searchFlags, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &how)
	switch err {
	case nil:
		unix.Close(fd)
	case unix.ENOSYS, unix.EPERM:
		s.openat2 = false
	}
	how.Resolve = resolveCached
	if fd, err := unix.Openat2(unix.AT_FDCWD, "/", &how); err == nil {
		unix.Close(fd)
		s.known = true
	}
	errno, _ := unix.Fchmodat(-1, "x", 0, unix.AT_SYMLINK_NOFOLLOW).(unix.Errno)
	s.fchmodat2 = errno == unix.EBADF
	_, err = listxattrat(-1, "x", make([]byte, 1))
	s.xattrat = err == unix.EBADF
	return &s
}

func openRoot(path string) (fd int, pathOnly bool, err error) {
	return openFlags(unix.AT_FDCWD, path, unix.O_NOFOLLOW)
}

// openFlags is openFolder without the flags in not.
func openFlags(at int, path string, not int) (fd int, pathOnly bool, err error) {
	fd, err = openat(at, path, folderFlags&^not|noAtime)
	if errors.Is(err, unix.EPERM) {
		fd, err = openat(at, path, folderFlags&^not)
	}
	if errors.Is(err, unix.EACCES) {
		if fd, e := openat(at, path, searchFlags&^not); e == nil {
			return fd, true, nil
		}
	}
	return fd, false, notFolder(err)
}

// procPath is what proc(5) has for the folder.
func (d *Dir) procPath() string { return d.sys.proc + strconv.Itoa(d.fd) }

// reopen opens the folder without looking anything up in it, or duplicates
// the descriptor for all but listing.
func (d *Dir) reopen() (fd int, pathOnly bool, err error) {
	fd, err = openat(unix.AT_FDCWD, d.procPath(), folderFlags&^unix.O_NOFOLLOW)
	if err == nil {
		return fd, false, nil
	}
	fd, err = unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, true, os.NewSyscallError("fcntl", err)
}

// pathMax is the longest path that one call takes, without its final NUL
// (PATH_MAX of limits.h).
const pathMax = 4095

// subAtOnce walks with openat2(2), a path longer than PATH_MAX in pieces.
func (d *Dir) subAtOnce(path tree.Path, w Walk) (*Dir, error) {
	how := unix.OpenHow{Resolve: resolve}
	if w == OneMount {
		how.Resolve |= unix.RESOLVE_NO_XDEV
	}
	at, rest := d.fd, string(path)
	for len(rest) > pathMax {
		cut := strings.LastIndexByte(rest[:pathMax+1], '/')
		how.Flags = searchFlags
		fd, err := openat2(at, rest[:cut], &how)
		if at != d.fd {
			unix.Close(at)
		}
		if err != 0 {
			return nil, walkError(err)
		}
		at, rest = fd, rest[cut+1:]
	}
	fd, pathOnly, err := openResolved(at, rest, how.Resolve)
	if at != d.fd {
		unix.Close(at)
	}
	if err != 0 {
		return nil, walkError(err)
	}
	return d.below(fd, pathOnly, w), nil
}

// openResolved is openFolder by openat2.
func openResolved(at int, path string, resolve uint64) (fd int, pathOnly bool, err unix.Errno) {
	how := unix.OpenHow{Flags: folderFlags | noAtime, Resolve: resolve}
	fd, err = openat2(at, path, &how)
	if err == unix.EPERM {
		how.Flags = folderFlags
		fd, err = openat2(at, path, &how)
	}
	if err == unix.EACCES {
		how.Flags = searchFlags
		fd, err = openat2(at, path, &how)
		pathOnly = true
	}
	return fd, pathOnly, err
}

// openStraight walks to the root and on from there with one openat2(2), which
// ends at the first symlink.
func openStraight(root string, path tree.Path) *Dir {
	whole := root + "/" + string(path)
	if !probed().openat2 || len(whole) > pathMax || path.Check() != nil {
		return nil
	}
	fd, pathOnly, err := openResolved(unix.AT_FDCWD, whole, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
	if err != 0 {
		return nil
	}
	sys := *probed()
	return &Dir{fd: fd, pathOnly: pathOnly, sys: &sys}
}

func walkError(err unix.Errno) error {
	if err == unix.EXDEV {
		return tree.ErrMount
	}
	return notFolder(os.NewSyscallError("openat2", err))
}

// openat2 makes the call with the path on the stack: this is where a pass
// begins each folder. EAGAIN says that a rename somewhere in the system made
// the kernel unsure of the walk.
func openat2(at int, path string, how *unix.OpenHow) (int, unix.Errno) {
	var buf [pathMax + 1]byte
	copy(buf[:pathMax], path)
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT2, uintptr(at), uintptr(unsafe.Pointer(&buf[0])),
			uintptr(unsafe.Pointer(how)), unix.SizeofOpenHow, 0, 0)
		if errno == 0 {
			return int(fd), 0
		}
		if errno != unix.EINTR && errno != unix.EAGAIN {
			return -1, errno
		}
	}
}

func (d *Dir) openFile(name string) (File, error) {
	if err := checkName(name); err != nil {
		return File{}, err
	}
	var buf [tree.MaxName + 1]byte
	copy(buf[:tree.MaxName], name)
	flags := readFlags | noAtime
	timed := d.sys.approval.toss()
	if fd, known := d.openKnown(&buf, uint64(flags|unix.O_LARGEFILE), timed); known {
		return File{fd: fd, sys: d.sys, kind: d.fileSystem(), readOnly: true, timed: timed}, nil
	}
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(d.fd), uintptr(unsafe.Pointer(&buf[0])),
			uintptr(flags|unix.O_LARGEFILE), 0, 0, 0)
		switch {
		case errno == 0:
			return File{fd: int(fd), sys: d.sys, kind: d.fileSystem(), readOnly: true, timed: timed}, nil
		case errno == unix.EINTR:
		case errno == unix.EPERM && flags&noAtime != 0:
			flags &^= noAtime
		case errno == unix.ELOOP || errno == unix.ENXIO: // a symlink; a socket
			return File{}, ErrNotFile
		default:
			return File{}, os.NewSyscallError("openat", errno)
		}
	}
}

// SyncFS returns when the whole file system that d is on is on disk; but see
// [Dir.SyncsFS].
func (d *Dir) SyncFS() error {
	return retry("syncfs", func() error { return unix.Syncfs(d.fd) })
}

// SyncsFS reports whether [Dir.SyncFS] tells of every write that went wrong, and
// stands for the disk itself: the system hands it on neither to a program that
// serves the file system nor to another machine.
func (d *Dir) SyncsFS() bool {
	kind, _, err := d.FSType()
	if err != nil {
		return false
	}
	var st unix.Statx_t
	if statx(d.fd, "", unix.AT_EMPTY_PATH, 0, &st) != 0 {
		return false
	}
	return syncsFS(kind, &st)
}

func syncsFS(kind uint64, root *unix.Statx_t) bool {
	// Both came with Linux 5.8: to say what is the root of a mount, and syncfs(2)
	// telling of writes that went wrong.
	tells := root.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0
	onDevice := root.Dev_major != 0
	return tells && (onDevice || !slices.Contains(servedTypes, kind))
}

// servedTypes are file systems that a program or another machine serves, and
// those that lie in folders of another one, which take syncfs for themselves
// alone (statfs(2)). One that a program serves from a device has its number.
var servedTypes = []uint64{
	unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
	unix.ECRYPTFS_SUPER_MAGIC, vboxFS,
}

// vboxFS stands in fs/vboxsf/super.c.
const vboxFS = 0x786f4256

func mknodat(at int, name string, mode uint32, device uint64) error {
	return unix.Mknodat(at, name, mode, int(device))
}

func renameat(at int, name string, to int, toName string, how How) error {
	flags := [...]uint{Replace: 0, NoReplace: unix.RENAME_NOREPLACE, Exchange: unix.RENAME_EXCHANGE}[how]
	return unix.Renameat2(at, name, to, toName, flags)
}
