package at

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// bearer is what extended attributes hang on: an open file or folder, or a
// name of a folder. Each call answers as its namesake of xattr(7) does.
type bearer interface {
	list(buf []byte) (int, error)
	get(attr string, buf []byte) (int, error)
	set(attr, value string) error
	remove(attr string) error
	// mode and chmod serve to set attributes of what its owner must not
	// write to.
	mode() (uint32, error)
	chmod(mode uint32) error
}

// Xattrs returns the mirrored extended attributes of the file, sorted by
// name.
func (f *File) Xattrs() ([]tree.Xattr, error) {
	// As it is for most; to be told how long the list is spares the kernel
	// making one.
	if n, err := (fileBearer{f}).list(nil); n == 0 && err == nil {
		return nil, nil
	}
	return readXattrs(fileBearer{f})
}

// SetXattrs makes the mirrored extended attributes of the file those in want;
// have is what [File.Xattrs] said. Both are sorted. Call it after the owner
// and the mode are set: a new owner drops capabilities, and an ACL shares bits
// with the mode. Errors: [*NoRoomError], when all others are set, unless it is
// for an ACL: what others may do with the file is not left to chance.
func (f *File) SetXattrs(want, have []tree.Xattr) error {
	return writeXattrs(fileBearer{f}, want, have)
}

// Xattrs returns the mirrored extended attributes of name, whatever its kind,
// sorted by name, and follows no symlink. The empty name is d.
//
// It calls flistxattr and fgetxattr, or listxattrat and lgetxattr for a name.
func (d *Dir) Xattrs(name string) ([]tree.Xattr, error) {
	if name != "" && d.sys.xattrat && checkName(name) == nil {
		var buf [xattrEnough]byte
		if n, err := listxattrat(d.fd, name, buf[:]); n == 0 && err == nil {
			return nil, nil
		}
	}
	b, err := d.bearer(name)
	if err != nil {
		return nil, err
	}
	return readXattrs(b)
}

// SetXattrs is [File.SetXattrs] for name, whatever its kind. The empty name is
// d.
func (d *Dir) SetXattrs(name string, want, have []tree.Xattr) error {
	b, err := d.bearer(name)
	if err != nil {
		return err
	}
	return writeXattrs(b, want, have)
}

// The longest list of names, and the longest value, that Linux hands out
// (XATTR_LIST_MAX and XATTR_SIZE_MAX, limits.h), and what does for most. The
// kernel allocates as much as it is offered, so little is offered first.
const (
	xattrMax    = 64 << 10
	xattrEnough = 512
)

var xattrBuffers = sync.Pool{New: func() any { return new([xattrMax]byte) }}

func readXattrs(b bearer) ([]tree.Xattr, error) {
	buf := xattrBuffers.Get().(*[xattrMax]byte)
	defer xattrBuffers.Put(buf)
	n, err := grow(buf, b.list)
	switch {
	case errors.Is(err, ErrUnsupported):
		return nil, nil
	case err != nil:
		return nil, os.NewSyscallError("listxattr", err)
	case n == 0:
		return nil, nil
	}
	var xattrs []tree.Xattr
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if !mirrored(name) {
			continue
		}
		n, err := grow(buf, func(buf []byte) (int, error) { return b.get(name, buf) })
		switch {
		case err == nil:
			xattrs = append(xattrs, tree.Xattr{Name: name, Value: string(buf[:n])})
		case errors.Is(err, unix.ENODATA): // removed meanwhile
		default:
			return nil, os.NewSyscallError("getxattr", err)
		}
	}
	slices.SortFunc(xattrs, func(x, y tree.Xattr) int { return strings.Compare(x.Name, y.Name) })
	return xattrs, nil
}

// grow calls f with a part of buf, and with all of it when that was too short.
func grow(buf *[xattrMax]byte, f func([]byte) (int, error)) (int, error) {
	n, err := f(buf[:xattrEnough])
	if err == unix.ERANGE {
		n, err = f(buf[:])
	}
	return n, err
}

// mirrored reports whether the attribute belongs to what a mirror keeps
// equal. What is left out belongs to the system: security labels, the marks of
// overlayfs, which would change what a replica below one shows, and the names
// by which xfs lists its ACLs once more: who removes one removes the ACL.
func mirrored(name string) bool {
	switch {
	case strings.HasPrefix(name, "user."):
		return true
	case name == tree.ACLAccess || name == tree.ACLDefault:
		return true
	case name == "trusted.SGI_ACL_FILE" || name == "trusted.SGI_ACL_DEFAULT": // fs/xfs/libxfs/xfs_format.h
		return false
	case name == "security.capability":
		return Privileged()
	case strings.HasPrefix(name, "trusted."):
		return !strings.HasPrefix(name, "trusted.overlay.") && Privileged()
	}
	return false
}

func writeXattrs(b bearer, want, have []tree.Xattr) error {
	var lacking error
	for _, x := range have {
		if find(want, x.Name) >= 0 {
			continue
		}
		if err := widened(b, x.Name, func() error { return b.remove(x.Name) }); err != nil && !errors.Is(err, unix.ENODATA) {
			return os.NewSyscallError("removexattr", err)
		}
	}
	for _, x := range want {
		// A chmod since have was read has changed the ACL with the mode.
		if i := find(have, x.Name); i >= 0 && have[i].Value == x.Value && x.Name != tree.ACLAccess {
			continue
		}
		err := widened(b, x.Name, func() error { return b.set(x.Name, x.Value) })
		isACL := x.Name == tree.ACLAccess || x.Name == tree.ACLDefault
		switch {
		case err == nil:
		case isACL || err != unix.ENOSPC && err != unix.E2BIG:
			return fmt.Errorf("setxattr %q of %d bytes: %w", x.Name, len(x.Value), err)
		case lacking == nil:
			lacking = &NoRoomError{x.Name, len(x.Value), err}
		}
	}
	return lacking
}

func find(xattrs []tree.Xattr, name string) int {
	return slices.IndexFunc(xattrs, func(x tree.Xattr) bool { return x.Name == name })
}

// ownerWrites lets the owner write to a file or folder.
const ownerWrites = 0o200

// widened calls f, and once more with the owner's right to write lent for the
// moment if that is what f lacked: user.* may be set only by who may write,
// and a read-only file of ours has them too.
//
// RACE: a crash between the two chmods leaves the owner's bit set. The next
// pass sees and mends it.
func widened(b bearer, attr string, f func() error) error {
	err := f()
	if err != unix.EACCES || !strings.HasPrefix(attr, "user.") {
		return err
	}
	mode, e := b.mode()
	if e != nil || mode&ownerWrites != 0 {
		return err
	}
	if b.chmod(mode|ownerWrites) != nil {
		return err
	}
	err = f()
	if e := b.chmod(mode); err == nil {
		err = e
	}
	return err
}
