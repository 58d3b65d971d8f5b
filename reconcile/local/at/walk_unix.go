//go:build linux || darwin

package at

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// Sub opens the folder at path below d and follows no symlink on the way; the
// caller closes it. The empty path opens d itself once more. Errors:
// [fs.ErrNotExist], [ErrNotFolder], and [tree.ErrMount] for a mount point on
// the way, the folder itself included, unless w crosses them.
func (d *Dir) Sub(path tree.Path, w Walk) (*Dir, error) {
	if err := path.Check(); err != nil {
		return nil, err
	}
	if path == tree.Root {
		return d.again()
	}
	if d.sys.openat2 {
		return d.subAtOnce(path, w)
	}
	return d.subByComponent(path, w)
}

// again opens the folder itself a second time: a duplicate of the descriptor
// would share the position of its listing.
func (d *Dir) again() (*Dir, error) {
	fd, pathOnly, err := openFolder(d.fd, ".")
	if errors.Is(err, unix.EACCES) { // even "." is below a folder that may not be searched
		fd, pathOnly, err = d.reopen()
	}
	if err != nil {
		return nil, err
	}
	return d.below(fd, pathOnly, OneMount), nil
}

// subByComponent walks where the system has no call that does it at once.
//
// It calls openat(O_NOFOLLOW|O_DIRECTORY) for each component, and for OneMount
// compares the mount of each folder with that of d once it is open, so that
// nothing can be swapped in between.
func (d *Dir) subByComponent(path tree.Path, w Walk) (*Dir, error) {
	mount := mountOf(d.fd)
	at := d.fd
	for rest := string(path); ; {
		name, tail, more := strings.Cut(rest, "/")
		fd, pathOnly, err := openComponent(at, name, more)
		if at != d.fd {
			unix.Close(at)
		}
		if err != nil {
			return nil, err
		}
		if w == OneMount && mountOf(fd) != mount {
			unix.Close(fd)
			return nil, tree.ErrMount
		}
		if !more {
			return d.below(fd, pathOnly, w), nil
		}
		at, rest = fd, tail
	}
}

// openComponent opens a folder on the way, for which the right to search it
// will do, or the last one.
func openComponent(at int, name string, onTheWay bool) (fd int, pathOnly bool, err error) {
	if !onTheWay {
		return openFolder(at, name)
	}
	fd, err = openat(at, name, searchFlags)
	return fd, true, notFolder(err)
}

// openFolder opens the folder at name for reading, or, if that is not
// allowed, for reaching what is below it.
func openFolder(at int, name string) (fd int, pathOnly bool, err error) {
	fd, err = openat(at, name, folderFlags|noAtime)
	if noAtime != 0 && errors.Is(err, unix.EPERM) {
		fd, err = openat(at, name, folderFlags)
	}
	if errors.Is(err, unix.EACCES) && searchFlags != folderFlags {
		if fd, e := openat(at, name, searchFlags); e == nil {
			return fd, true, nil
		}
	}
	return fd, false, notFolder(err)
}

func openat(at int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(at, name, flags, 0)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, os.NewSyscallError("openat", err)
		}
	}
}

// notFolder gives the errnos that say so a common name.
func notFolder(err error) error {
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("%w: %w", ErrNotFolder, err)
	}
	return err
}
