package at

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// bearer returns what the attributes of name, or of d itself, hang on.
func (d *Dir) bearer(name string) (bearer, error) {
	switch {
	case name != "":
		return nameBearer{d, name}, checkName(name)
	case d.pathOnly:
		return selfBearer{d}, nil
	}
	return fileBearer{&File{fd: d.fd}}, nil
}

// fileBearer reaches the attributes through the descriptor of a file.
type fileBearer struct{ f *File }

func (b fileBearer) list(buf []byte) (int, error) {
	for {
		n, err := b.f.listxattr(buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func (b fileBearer) get(attr string, buf []byte) (int, error) {
	return unix.Fgetxattr(b.f.fd, attr, buf)
}

func (b fileBearer) set(attr, value string) error {
	return unix.Fsetxattr(b.f.fd, attr, []byte(value), 0)
}

func (b fileBearer) remove(attr string) error { return unix.Fremovexattr(b.f.fd, attr) }

func (b fileBearer) mode() (uint32, error) {
	e, err := b.f.Entry()
	return e.Mode, err
}

func (b fileBearer) chmod(mode uint32) error { return b.f.SetMode(mode) }

// nameBearer reaches the attributes of a name without opening it: lists them
// with listxattrat, and else goes through the path that /proc/self/fd has for
// the folder. Where proc(5) is not mounted, it opens what can be opened.
type nameBearer struct {
	d    *Dir
	name string
}

func (b nameBearer) list(buf []byte) (int, error) {
	if b.d.sys.xattrat {
		return listxattrat(b.d.fd, b.name, buf)
	}
	n, err := unix.Llistxattr(b.path(), buf)
	if err == unix.ENOENT {
		err = b.opened(func(f fileBearer) (e error) { n, e = f.list(buf); return e })
	}
	return n, err
}

func (b nameBearer) get(attr string, buf []byte) (int, error) {
	n, err := unix.Lgetxattr(b.path(), attr, buf)
	if err == unix.ENOENT {
		err = b.opened(func(f fileBearer) (e error) { n, e = f.get(attr, buf); return e })
	}
	return n, err
}

func (b nameBearer) set(attr, value string) error {
	err := unix.Lsetxattr(b.path(), attr, []byte(value), 0)
	if err == unix.ENOENT {
		err = b.opened(func(f fileBearer) error { return f.set(attr, value) })
	}
	return err
}

func (b nameBearer) remove(attr string) error {
	err := unix.Lremovexattr(b.path(), attr)
	if err == unix.ENOENT {
		err = b.opened(func(f fileBearer) error { return f.remove(attr) })
	}
	return err
}

func (b nameBearer) mode() (uint32, error) {
	e, err := b.d.Look(b.name)
	return e.Mode, err
}

func (b nameBearer) chmod(mode uint32) error { return b.d.SetMode(b.name, mode) }

// path names the entry through proc(5), whose link is not followed by name
// but leads to the open folder itself.
func (b nameBearer) path() string { return b.d.procPath() + "/" + b.name }

// listxattrat calls its namesake, which follows no symlink. The name has passed
// checkName.
func listxattrat(at int, name string, list []byte) (int, error) {
	var buf [tree.MaxName + 1]byte
	copy(buf[:tree.MaxName], name)
	for {
		n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(at), uintptr(unsafe.Pointer(&buf[0])),
			unix.AT_SYMLINK_NOFOLLOW, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// opened calls f on the entry opened for reading, in case that only proc(5)
// is missing. Neither symlinks nor devices can be reached so; they answer
// that nothing is supported.
func (b nameBearer) opened(f func(fileBearer) error) error {
	e, err := b.d.Look(b.name)
	if err != nil {
		return err
	}
	if e.Kind != tree.File && e.Kind != tree.Folder {
		return unix.EOPNOTSUPP
	}
	file, err := b.d.OpenFile(b.name)
	if errors.Is(err, ErrNotFile) {
		return unix.EOPNOTSUPP
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return f(fileBearer{file})
}

// selfBearer reaches the attributes of a folder that may not be read: the
// calls on descriptors refuse those opened with O_PATH, but what proc(5) has
// for them leads to the folder without searching it.
type selfBearer struct{ d *Dir }

func (b selfBearer) list(buf []byte) (int, error) {
	n, err := unix.Listxattr(b.d.procPath(), buf)
	return n, withoutProc(err)
}

func (b selfBearer) get(attr string, buf []byte) (int, error) {
	n, err := unix.Getxattr(b.d.procPath(), attr, buf)
	return n, withoutProc(err)
}

func (b selfBearer) set(attr, value string) error {
	return withoutProc(unix.Setxattr(b.d.procPath(), attr, []byte(value), 0))
}

func (b selfBearer) remove(attr string) error {
	return withoutProc(unix.Removexattr(b.d.procPath(), attr))
}

func (b selfBearer) mode() (uint32, error) {
	e, err := b.d.Self()
	return e.Mode, err
}

func (b selfBearer) chmod(mode uint32) error { return b.d.SetMode("", mode) }

// withoutProc tells that proc(5) is missing, which is all that ENOENT can
// mean for an open folder.
func withoutProc(err error) error {
	if err == unix.ENOENT {
		return unix.EOPNOTSUPP
	}
	return err
}
