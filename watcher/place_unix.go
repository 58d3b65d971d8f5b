//go:build unix

package watcher

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// place is a handle of the root folder.
type place struct {
	root string
	fd   int
	id   identity
}

func openPlace(root string) (*place, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(root, openRoot|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	p := &place{root: root, fd: fd}
	a, err := statHandle(fd)
	if err != nil {
		p.close()
		return nil, &fs.PathError{Op: "stat", Path: root, Err: err}
	}
	p.id = a.id
	return p, nil
}

func (p *place) close() { unix.Close(p.fd) }

// stat calls fstatat on the root's handle. A path that the system finds too long is walked in pieces.
func (p *place) stat(path string) (attr, error) {
	if path == "" {
		return statHandle(p.fd)
	}
	if len(path) < pathMax {
		return statAt(p.fd, path)
	}
	parent, err := openBelow(p.fd, dir(path), openRoot)
	if err != nil {
		return attr{}, err
	}
	defer unix.Close(parent)
	return statAt(parent, path[len(dir(path))+1:])
}

// open opens a folder below the root for listing. Where the system lets us, listing leaves no trace in its access time.
func (p *place) open(path string) (*handle, error) {
	fd, err := openBelow(p.fd, path, unix.O_RDONLY|noAtime)
	if noAtime != 0 && errors.Is(err, unix.EPERM) { // not ours
		fd, err = openBelow(p.fd, path, unix.O_RDONLY)
	}
	if err != nil {
		return nil, err
	}
	a, err := statHandle(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &handle{file: os.NewFile(uintptr(fd), p.root+"/"+path), attr: a}, nil
}

func (h *handle) stat(name string) (attr, error) { return statAt(int(h.file.Fd()), name) }

func (h *handle) remote() string { return remoteName(int(h.file.Fd())) }

// openEach opens a folder below fd name by name, following no symlink. path may be "" for fd itself.
func openEach(fd int, path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	at := fd
	for {
		name, rest, more := strings.Cut(path, "/")
		f := flags
		if more {
			f = openRoot
		}
		next, err := retry(func() (int, error) {
			return unix.Openat(at, name, f|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		})
		if at != fd {
			unix.Close(at)
		}
		if err != nil || !more {
			return next, err
		}
		at, path = next, rest
	}
}

func statHandle(fd int) (attr, error) {
	var st unix.Stat_t
	_, err := retry(func() (int, error) { return 0, unix.Fstat(fd, &st) })
	return attrOf(&st), err
}

func statAt(fd int, name string) (attr, error) {
	var st unix.Stat_t
	_, err := retry(func() (int, error) { return 0, unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return attrOf(&st), err
}

func attrOf(st *unix.Stat_t) attr {
	return attr{
		id:     identity{dev: uint64(st.Dev), ino: uint64(st.Ino)},
		mode:   uint32(st.Mode),
		size:   st.Size,
		mtime:  st.Mtim.Nano(),
		ctime:  st.Ctim.Nano(),
		folder: st.Mode&unix.S_IFMT == unix.S_IFDIR,
		links:  uint64(st.Nlink),
	}
}

// retry repeats a system call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, errNoFolder)
}

func crowded(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

func spent(err error) bool {
	return errors.Is(err, unix.ENOSPC) || crowded(err)
}
