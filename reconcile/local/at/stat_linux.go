package at

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// What an Entry needs of statx(2).
const statMask = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID

// Self is the folder's own entry, without a name and extended attributes.
func (d *Dir) Self() (tree.Entry, error) {
	var st unix.Statx_t
	if errno := statx(d.fd, "", unix.AT_EMPTY_PATH, statMask, &st); errno != 0 {
		return tree.Entry{}, os.NewSyscallError("statx", errno)
	}
	return d.entry("", &st), nil
}

// Look returns the entry at name, with the text of a symlink but without
// extended attributes. Errors: [fs.ErrNotExist].
func (d *Dir) Look(name string) (tree.Entry, error) {
	if err := checkName(name); err != nil {
		return tree.Entry{}, err
	}
	for {
		var st unix.Statx_t
		errno := statx(d.fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statMask, &st)
		if errno != 0 {
			return tree.Entry{}, os.NewSyscallError("statx", errno)
		}
		e := d.entry(name, &st)
		if e.Kind != tree.Symlink {
			return e, nil
		}
		link, errno := readlink(d.fd, name)
		if errno == unix.EINVAL { // no symlink any more: look again
			continue
		}
		e.Link = link
		return e, os.NewSyscallError("readlinkat", noErrno(errno))
	}
}

// Entry is the file as it is now, without a name and extended attributes.
func (f *File) Entry() (tree.Entry, error) {
	var st unix.Stat_t
	for {
		err := f.stat(&st)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return tree.Entry{}, os.NewSyscallError("fstat", err)
		}
	}
	e := tree.Entry{
		Kind: kindOf(uint32(st.Mode)), Mode: uint32(st.Mode) & 0o7777, UID: st.Uid, GID: st.Gid,
		ModTime:    tree.Time{Sec: int64(st.Mtim.Sec), Nsec: int32(st.Mtim.Nsec)},
		ID:         tree.ID{Dev: uint64(st.Dev), Ino: uint64(st.Ino)},
		Links:      uint32(st.Nlink),
		ChangeTime: tree.Time{Sec: int64(st.Ctim.Sec), Nsec: int32(st.Ctim.Nsec)},
	}
	if e.Kind == tree.File {
		e.Size = st.Size
		f.sparse = st.Blocks*512 < st.Size
	}
	return e, nil
}

func (d *Dir) entry(name string, st *unix.Statx_t) tree.Entry {
	e := tree.Entry{
		Name: name, Kind: kindOf(uint32(st.Mode)), Mode: uint32(st.Mode) & 0o7777, UID: st.Uid, GID: st.Gid,
		ModTime:    timeOf(st.Mtime),
		ID:         tree.ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino},
		Links:      st.Nlink,
		ChangeTime: timeOf(st.Ctime),
	}
	e.Mounted = st.Attributes&st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0
	switch e.Kind {
	case tree.File:
		e.Size = int64(st.Size)
	case tree.Folder:
		e.Mounted = d.mounted(name, st)
	case tree.CharDevice, tree.BlockDevice:
		e.Device = unix.Mkdev(st.Rdev_major, st.Rdev_minor)
	}
	return e
}

// mounted reports whether the folder is the root of a mount. Before Linux 5.8
// the system does not say it, and another device number than that of d must do.
func (d *Dir) mounted(name string, st *unix.Statx_t) bool {
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	}
	if name == "" {
		return false
	}
	self, err := d.Self()
	return err == nil && self.ID.Dev != unix.Mkdev(st.Dev_major, st.Dev_minor)
}

// mountPoint tells mounts apart: by their number where the system tells it, else
// by their device, which is blind to bind mounts.
type mountPoint struct {
	id  uint64
	dev uint64
}

func mountOf(fd int) mountPoint {
	var st unix.Statx_t
	if statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st) != 0 {
		return mountPoint{}
	}
	m := mountPoint{dev: unix.Mkdev(st.Dev_major, st.Dev_minor)}
	if st.Mask&unix.STATX_MNT_ID != 0 {
		m.id = st.Mnt_id
	} else {
		m.id = mountFromProc(fd)
	}
	return m
}

// mountFromProc asks proc(5), which tells it since Linux 3.15.
func mountFromProc(fd int) uint64 {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "mnt_id:")
	line, _, _ := strings.Cut(rest, "\n")
	id, _ := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	return id
}

// Identity of the folder.
func (d *Dir) Identity() (Identity, error) {
	var st unix.Statx_t
	mask := unix.STATX_INO | unix.STATX_BTIME
	if errno := statx(d.fd, "", unix.AT_EMPTY_PATH, mask, &st); errno != 0 {
		return Identity{}, os.NewSyscallError("statx", errno)
	}
	kind, id, err := d.FSType()
	if err != nil {
		return Identity{}, err
	}
	i := Identity{fsType: kind, fsID: id, ino: st.Ino}
	// A folder of an overlay is born once more with the first change to it,
	// when it is copied to the upper layer.
	if st.Mask&unix.STATX_BTIME != 0 && kind != unix.OVERLAYFS_SUPER_MAGIC {
		i.birth = timeOf(st.Btime)
	}
	// XFS takes the number of its device for its own, and a disk may come back
	// with another one.
	if kind == unix.XFS_SUPER_MAGIC && i.birth != (tree.Time{}) {
		i.fsID = 0
	}
	return i, nil
}

// Mounting tells the mount that the folder is on from every one that there was
// before it and that will be; "" where the system does not tell (before Linux 6.8).
func (d *Dir) Mounting() string {
	var st unix.Statx_t
	if statx(d.fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &st) != 0 || st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id") // numbers begin anew with the system (random(4))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + strconv.FormatUint(st.Mnt_id, 10)
}

// statx makes the call with the name on the stack: a pass does it for every
// entry of both trees. The name has passed checkName.
func statx(at int, name string, flags, mask int, st *unix.Statx_t) unix.Errno {
	var buf [tree.MaxName + 1]byte
	copy(buf[:tree.MaxName], name)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(at), uintptr(unsafe.Pointer(&buf[0])),
			uintptr(flags), uintptr(mask), uintptr(unsafe.Pointer(st)), 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

// readlink reads the text of a symlink; Linux allows no longer one than
// PATH_MAX.
func readlink(at int, name string) (string, unix.Errno) {
	var buf [tree.MaxName + 1]byte
	copy(buf[:tree.MaxName], name)
	var text [pathMax + 1]byte
	for {
		n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(at), uintptr(unsafe.Pointer(&buf[0])),
			uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)), 0, 0)
		if errno == 0 {
			return string(text[:n]), 0
		}
		if errno != unix.EINTR {
			return "", errno
		}
	}
}

func timeOf(t unix.StatxTimestamp) tree.Time { return tree.Time{Sec: t.Sec, Nsec: int32(t.Nsec)} }

func noErrno(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// Mount returns the number of the mount that the folder is on, as
// /proc/self/mountinfo has it; 0 where the system does not tell it.
func (d *Dir) Mount() uint64 { return mountOf(d.fd).id }
