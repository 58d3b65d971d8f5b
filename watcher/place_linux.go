package watcher

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	openRoot     = unix.O_PATH
	noAtime      = unix.O_NOATIME
	pathMax      = unix.PathMax
	costPerEntry = 0
)

// openBelow calls openat2 so that no symlink anywhere in path is followed. A path longer than the system takes is
// opened in pieces, each below the one before. Systems without openat2 walk it name by name.
func openBelow(fd int, path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	at := fd
	for {
		piece, rest := path, ""
		f := flags
		if len(path) >= pathMax {
			cut := strings.LastIndexByte(path[:pathMax], '/')
			piece, rest, f = path[:cut], path[cut+1:], openRoot
		}
		how := unix.OpenHow{
			Flags:   uint64(f | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		}
		next, err := retry(func() (int, error) { return unix.Openat2(at, piece, &how) })
		if errors.Is(err, unix.ENOSYS) {
			next, err = openEach(at, piece, f)
		}
		if at != fd {
			unix.Close(at)
		}
		if err != nil || rest == "" {
			return next, err
		}
		at, path = next, rest
	}
}

// readRoot calls statx. The mount number is the one that is never handed out again (Linux 6.8); without it, the same
// folder unmounted and mounted again within a second goes unnoticed.
func readRoot(root string) (rootID, attr, error) {
	var st unix.Statx_t
	_, err := retry(func() (int, error) {
		return 0, unix.Statx(unix.AT_FDCWD, root, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME|unix.STATX_MNT_ID_UNIQUE, &st)
	})
	if err != nil {
		return rootID{}, attr{}, &fs.PathError{Op: "statx", Path: root, Err: err}
	}
	a := attr{
		id:     identity{dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino},
		mode:   uint32(st.Mode),
		size:   int64(st.Size),
		mtime:  st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		ctime:  st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec),
		folder: uint32(st.Mode)&unix.S_IFMT == unix.S_IFDIR,
	}
	id := rootID{identity: a.id}
	if st.Mask&unix.STATX_BTIME != 0 && !isOverlay(root) {
		id.birth = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	if st.Mask&unix.STATX_MNT_ID_UNIQUE != 0 {
		id.mount = st.Mnt_id
	}
	if !a.folder {
		return id, a, &fs.PathError{Op: "statx", Path: root, Err: errNoFolder}
	}
	return id, a, nil
}

// isOverlay reports whether root is in an overlay, where a folder is born once more with the first change to it: it is
// copied to the upper layer then.
func isOverlay(root string) bool {
	var st unix.Statfs_t
	_, err := retry(func() (int, error) { return 0, unix.Statfs(root, &st) })
	return err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
}

// remoteName looks the file system up among those whose changes, made elsewhere or by the kernel itself, inotify does
// not see. The numbers are from statfs(2) and the kernel's sources.
func remoteName(fd int) string {
	var st unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &st) }); err != nil {
		return ""
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "smb"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case unix.V9FS_MAGIC:
		return "9p"
	case 0x786f4256:
		return "vboxsf"
	case 0xbacbacbc:
		return "vmhgfs"
	case 0x7c7c6673:
		return "prl_fs"
	case unix.CEPH_SUPER_MAGIC:
		return "ceph"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "afs"
	case unix.CODA_SUPER_MAGIC:
		return "coda"
	case unix.NCP_SUPER_MAGIC:
		return "ncp"
	case unix.OCFS2_SUPER_MAGIC:
		return "ocfs2"
	case 0x01161970:
		return "gfs2"
	case 0x0bd00bd0:
		return "lustre"
	case 0x47504653:
		return "gpfs"
	case 0x19830326:
		return "beegfs"
	case 0x20030528:
		return "orangefs"
	case unix.PROC_SUPER_MAGIC:
		return "proc"
	case unix.SYSFS_MAGIC:
		return "sysfs"
	}
	return ""
}

const (
	// The figure that distributions and editors recommend; an unused watch costs nothing.
	usualWatches   = 524288
	usualInstances = 1024
	limitsFolder   = "/proc/sys/fs/inotify/"
)

func watchLimit() int    { return readLimit(limitsFolder + "max_user_watches") }
func instanceLimit() int { return readLimit(limitsFolder + "max_user_instances") }

func readLimit(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return n
}

func watchRemedy(need int) string {
	return fmt.Sprintf("sudo sysctl fs.inotify.max_user_watches=%d", roomFor(need, usualWatches))
}

// instanceRemedy distinguishes the two limits that give the same error: it opens a file.
func instanceRemedy(limit int) string {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "ulimit -n " + strconv.Itoa(1<<16)
	}
	unix.Close(fd)
	return fmt.Sprintf("sudo sysctl fs.inotify.max_user_instances=%d", roomFor(limit+1, usualInstances))
}

// roomFor returns a power of two that is at least usual and leaves a quarter free above need.
func roomFor(need, usual int) int {
	if need += need / 4; need <= usual {
		return usual
	}
	return 1 << bits.Len(uint(need-1))
}

func fileBudget() int { return 0 }
