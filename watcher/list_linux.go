package watcher

import (
	"bytes"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// listBytes is how much of a folder is in memory at a time: some hundred entries.
const listBytes = 16 << 10

// The layout of struct linux_dirent64 (getdents64(2)).
const (
	direntLength = 16
	direntType   = 18
	direntName   = 19
)

// list calls getdents64, and fstatat for an entry whose kind the file system leaves open. It allocates nothing: a
// tree has many files for each folder, and of most of them nothing needs to be known.
func (h *handle) list(buffer []byte, each func(name []byte, folder bool)) error {
	fd := int(h.file.Fd())
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, buffer) })
		if err != nil {
			return os.NewSyscallError("getdents64", err)
		}
		if n == 0 {
			return nil
		}
		for rest := buffer[:n]; len(rest) > 0; {
			entry := rest[:binary.NativeEndian.Uint16(rest[direntLength:])]
			rest = rest[len(entry):]
			name := entry[direntName:]
			name = name[:bytes.IndexByte(name, 0)]
			if s := string(name); s == "." || s == ".." {
				continue
			}
			each(name, h.isFolder(name, entry[direntType]))
		}
	}
}

func (h *handle) isFolder(name []byte, kind byte) bool {
	if kind != unix.DT_UNKNOWN {
		return kind == unix.DT_DIR
	}
	a, err := h.stat(string(name))
	return err == nil && a.folder
}

// countsFolders knows the file systems of which the sources of the kernel count a folder for its parent before they tell
// that it was made there, or came there, so that it shows in the count or as an event. A count that ext4 has given up
// (dir_nlink, ext4(5)) is 1.
func (h *handle) countsFolders() bool {
	var st unix.Statfs_t
	fd := int(h.file.Fd())
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &st) }); err != nil {
		return false
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}
