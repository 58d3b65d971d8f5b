//go:build amd64 || arm64

package intercept

import "golang.org/x/sys/unix"

// Call is a system call that is about to be made.
type Call struct {
	Name string
	// Path is the absolute path of what it acts on, and Other that of the second one a call with two has: the new name of a link or
	// rename, the file that is copied from. The path of an open file is the one that it has now.
	Path, Other string
	Args        [6]uint64
}

// Creates reports whether the call opens a file that it makes, if it is missing or without a name.
func (c Call) Creates() bool {
	const unnamed = unix.O_TMPFILE &^ unix.O_DIRECTORY
	return c.Name == "openat" && c.Args[2]&(unix.O_CREAT|unnamed) != 0
}

// Changes reports whether the call can change what a file system holds.
func (c Call) Changes() bool { return changing[c.Name] || c.Creates() }

// Verdict is what becomes of a call.
type Verdict struct {
	errno unix.Errno
	part  int // bytes
	kill  bool
}

// The verdicts: the call is made as it is, or the process is killed before it is.
var (
	Continue = Verdict{}
	Kill     = Verdict{kill: true}
)

// Fail lets the call fail without being made.
func Fail(errno unix.Errno) Verdict { return Verdict{errno: errno} }

// Part lets a call that reads or writes deal with at most that many bytes.
func Part(bytes int) Verdict { return Verdict{part: bytes} }

// layout says where a system call has its files: the indices of the arguments, or none. A path is looked up from its folder.
type layout struct {
	name                   string
	folder, path           int
	otherFolder, otherPath int
	partial                bool
}

const none = -1

func onFile(name string, fd int) layout { return layout{name, fd, none, none, none, false} }
func onBytes(name string) layout        { return layout{name, 0, none, none, none, true} }
func onPath(name string, folder, path int) layout {
	return layout{name, folder, path, none, none, false}
}

// layouts are the system calls that are intercepted.
var layouts = map[int32]layout{
	unix.SYS_OPENAT:            onPath("openat", 0, 1),
	unix.SYS_OPENAT2:           onPath("openat2", 0, 1),
	unix.SYS_STATX:             onPath("statx", 0, 1),
	unix.SYS_NEWFSTATAT:        onPath("newfstatat", 0, 1),
	unix.SYS_READLINKAT:        onPath("readlinkat", 0, 1),
	unix.SYS_MKDIRAT:           onPath("mkdirat", 0, 1),
	unix.SYS_MKNODAT:           onPath("mknodat", 0, 1),
	unix.SYS_UNLINKAT:          onPath("unlinkat", 0, 1),
	unix.SYS_FCHOWNAT:          onPath("fchownat", 0, 1),
	unix.SYS_FCHMODAT:          onPath("fchmodat", 0, 1),
	unix.SYS_FCHMODAT2:         onPath("fchmodat2", 0, 1),
	unix.SYS_UTIMENSAT:         onPath("utimensat", 0, 1),
	unix.SYS_SYMLINKAT:         onPath("symlinkat", 1, 2),
	unix.SYS_LINKAT:            {"linkat", 0, 1, 2, 3, false},
	unix.SYS_RENAMEAT:          {"renameat", 0, 1, 2, 3, false},
	unix.SYS_RENAMEAT2:         {"renameat2", 0, 1, 2, 3, false},
	unix.SYS_LLISTXATTR:        onPath("llistxattr", none, 0),
	unix.SYS_LISTXATTRAT:       onPath("listxattrat", 0, 1),
	unix.SYS_LGETXATTR:         onPath("lgetxattr", none, 0),
	unix.SYS_LSETXATTR:         onPath("lsetxattr", none, 0),
	unix.SYS_LREMOVEXATTR:      onPath("lremovexattr", none, 0),
	unix.SYS_INOTIFY_ADD_WATCH: onPath("inotify_add_watch", none, 1),
	unix.SYS_STATFS:            onPath("statfs", none, 0),
	unix.SYS_FSTAT:             onFile("fstat", 0),
	unix.SYS_FSTATFS:           onFile("fstatfs", 0),
	unix.SYS_GETDENTS64:        onFile("getdents64", 0),
	unix.SYS_LSEEK:             onFile("lseek", 0),
	unix.SYS_FTRUNCATE:         onFile("ftruncate", 0),
	unix.SYS_FALLOCATE:         onFile("fallocate", 0),
	unix.SYS_FCHMOD:            onFile("fchmod", 0),
	unix.SYS_FCHOWN:            onFile("fchown", 0),
	unix.SYS_FSETXATTR:         onFile("fsetxattr", 0),
	unix.SYS_FGETXATTR:         onFile("fgetxattr", 0),
	unix.SYS_FLISTXATTR:        onFile("flistxattr", 0),
	unix.SYS_FREMOVEXATTR:      onFile("fremovexattr", 0),
	unix.SYS_FSYNC:             onFile("fsync", 0),
	unix.SYS_FDATASYNC:         onFile("fdatasync", 0),
	unix.SYS_SYNCFS:            onFile("syncfs", 0),
	unix.SYS_SYNC_FILE_RANGE:   onFile("sync_file_range", 0),
	unix.SYS_FLOCK:             onFile("flock", 0),
	unix.SYS_CLOSE:             onFile("close", 0),
	unix.SYS_IOCTL:             onFile("ioctl", 0),
	unix.SYS_READ:              onBytes("read"),
	unix.SYS_PREAD64:           onBytes("pread64"),
	unix.SYS_WRITE:             onBytes("write"),
	unix.SYS_PWRITE64:          onBytes("pwrite64"),
	unix.SYS_COPY_FILE_RANGE:   {"copy_file_range", 2, none, 0, none, true},
}

// changing are the calls that change what a file system holds.
var changing = map[string]bool{
	"mkdirat": true, "mknodat": true, "unlinkat": true, "fchownat": true, "fchmodat": true, "fchmodat2": true, "utimensat": true,
	"symlinkat": true, "linkat": true, "renameat": true, "renameat2": true, "lsetxattr": true, "lremovexattr": true,
	"ftruncate": true, "fallocate": true, "fchmod": true, "fchown": true, "fsetxattr": true, "fremovexattr": true, "fsync": true,
	"fdatasync": true, "syncfs": true, "sync_file_range": true, "ioctl": true, "write": true, "pwrite64": true, "copy_file_range": true,
}
