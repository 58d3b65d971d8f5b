package judge

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Read returns what folder holds, content included. What vanishes while it is read is left out; any other trouble is an error, with
// the tree as far as it was read. It works down from folder handles, so no depth is too deep, and it follows no symlink but folder
// itself.
func Read(folder string) (Tree, error) {
	handle, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", folder, err)
	}
	defer unix.Close(handle)
	fd, err := openForReading(handle)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", folder, err)
	}
	root := os.NewFile(uintptr(fd), folder)
	defer root.Close()
	r := reader{tree: Tree{}, privileged: os.Geteuid() == 0}
	r.add(".", fd, fd)
	r.folder("", root)
	link(r.tree)
	return r.tree, errors.Join(r.problems...)
}

// reader gathers a tree.
type reader struct {
	tree       Tree
	privileged bool
	problems   []error
}

// problem notes trouble at path, unless it is only that nothing is there any more.
func (r *reader) problem(doing, path string, err error) {
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE) {
		r.problems = append(r.problems, fmt.Errorf("%s %q: %w", doing, path, err))
	}
}

// folder reads what lies in the open folder at path, which ends in a slash or is empty for the root.
func (r *reader) folder(path string, folder *os.File) {
	names, err := folder.Readdirnames(-1)
	r.problem("list", path, err)
	for _, name := range names {
		r.child(path+name, int(folder.Fd()), name)
	}
}

// child reads the entry called name in the folder parent: openat, fstat, then by kind.
func (r *reader) child(path string, parent int, name string) {
	fd, err := unix.Openat(parent, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		r.problem("open", path, err)
		return
	}
	defer unix.Close(fd)
	var status unix.Stat_t
	if err := unix.Fstat(fd, &status); err != nil {
		r.problem("stat", path, err)
		return
	}
	kind := kindOf(status.Mode)
	if kind != "file" && kind != "folder" {
		r.add(path, fd, -1)
		return
	}
	content, err := openForReading(fd)
	if err != nil {
		r.problem("open", path, err)
		return
	}
	f := os.NewFile(uintptr(content), path)
	defer f.Close()
	r.add(path, fd, content)
	if kind == "folder" {
		r.folder(path+"/", f)
	}
}

// openForReading opens what the O_PATH handle holds, without a trace in its access time where that is allowed.
func openForReading(handle int) (int, error) {
	self := fmt.Sprintf("/proc/self/fd/%d", handle)
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(self, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		fd, err = unix.Open(self, flags, 0)
	}
	return fd, err
}

// add puts the entry behind handle into the tree; content is a readable handle of the same entry for files and folders.
func (r *reader) add(path string, handle, content int) {
	var status unix.Stat_t
	if err := unix.Fstat(handle, &status); err != nil {
		r.problem("stat", path, err)
		return
	}
	entry := Entry{
		Kind:    kindOf(status.Mode),
		Mode:    status.Mode & 0o7777,
		UID:     status.Uid,
		GID:     status.Gid,
		MtimeNs: unix.TimespecToNsec(status.Mtim),
		inode:   inode{uint64(status.Dev), status.Ino},
		names:   uint64(status.Nlink),
	}
	var err error
	switch entry.Kind {
	case "file":
		entry.Size = status.Size
		err = fill(&entry, content)
	case "symlink":
		entry.Link, err = linkText(handle)
	case "device":
		entry.Device = fmt.Sprintf("%#o %d:%d", status.Mode&unix.S_IFMT, unix.Major(status.Rdev), unix.Minor(status.Rdev))
	}
	r.problem("read", path, err)
	entry.Attributes, err = attributes(handle, r.privileged)
	r.problem("read attributes of", path, err)
	r.tree[path] = entry
}

// fill reads the bytes of the file fd and measures its holes.
func fill(entry *Entry, fd int) error {
	for at := int64(0); at < entry.Size; {
		start, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			entry.hole = true
			break
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(fd, start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		entry.hole = entry.hole || start > at || end < entry.Size
		entry.data += end - start
		at = end
	}
	if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
		return err
	}
	hash := sha256.New()
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buffer)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n == 0 && err == nil {
			hash.Sum(entry.Content[:0])
			return nil
		}
		hash.Write(buffer[:max(n, 0)])
	}
}

// linkText returns the raw text of the symlink behind the O_PATH handle.
func linkText(handle int) (string, error) {
	buffer := make([]byte, 2*unix.PathMax)
	n, err := unix.Readlinkat(handle, "", buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}

// attributes returns the extended attributes that a mirror carries over. A file system without any has none.
func attributes(handle int, privileged bool) (map[string]string, error) {
	self := fmt.Sprintf("/proc/self/fd/%d", handle)
	list := make([]byte, 64<<10)
	n, err := unix.Listxattr(self, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil || n == 0 {
		return nil, err
	}
	found := map[string]string{}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if !mirrored(name, privileged) {
			continue
		}
		size, err := unix.Getxattr(self, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found[name] = string(value[:size])
	}
	return found, nil
}
