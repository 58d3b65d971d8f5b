package at

import (
	"os"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// SetMode sets the permission bits of name, setuid, setgid and sticky
// included. A symlink is not followed. The empty name is d.
func (d *Dir) SetMode(name string, mode uint32) error {
	if name == "" {
		return retry("fchmod", func() error { return unix.Fchmod(d.fd, mode) })
	}
	return d.call("fchmodat", name, func() error { return unix.Fchmodat(d.fd, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}

func (d *Dir) setOwnOwner(uid, gid uint32) error {
	return retry("fchown", func() error { return unix.Fchown(d.fd, int(int32(uid)), int(int32(gid))) })
}

func (d *Dir) setOwnTime(t tree.Time) error {
	ts := times(t, d.sys.bothTimes)
	return retry("utimensat", func() error { return unix.UtimesNanoAt(d.fd, ".", ts[:], 0) })
}

// setTime sets whole microseconds, and the other time to what it is: what takes
// nanoseconds wants a path.
func setTime(fd int, t tree.Time, _ bool) error {
	var st unix.Stat_t
	if err := retry("fstat", func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	tv := []unix.Timeval{unix.NsecToTimeval(unix.TimespecToNsec(st.Atim)), {Sec: t.Sec, Usec: t.Nsec / 1000}}
	return retry("futimes", func() error { return unix.Futimes(fd, tv) })
}

// Xattrs returns none: extended attributes and ACLs are not mirrored here.
func (f *File) Xattrs() ([]tree.Xattr, error) { return nil, nil }

// SetXattrs does nothing but refuse what Xattrs never returns.
func (f *File) SetXattrs(want, have []tree.Xattr) error { return noXattrs(want) }

// Xattrs returns none: extended attributes and ACLs are not mirrored here.
func (d *Dir) Xattrs(name string) ([]tree.Xattr, error) { return nil, nil }

// SetXattrs does nothing but refuse what Xattrs never returns.
func (d *Dir) SetXattrs(name string, want, have []tree.Xattr) error { return noXattrs(want) }

func noXattrs(want []tree.Xattr) error {
	if len(want) > 0 {
		return ErrUnsupported
	}
	return nil
}

// Clone answers [ErrUnsupported]: only whole new names can be cloned here.
func (f *File) Clone(from *File) error { return unsupported("clone", unix.ENOTSUP) }

// StartSync does nothing here.
func (f *File) StartSync(offset, n int64) {}

// Sequential does nothing here.
func (f *File) Sequential() error { return nil }

// Privileged reports whether this process may give files away and change
// those of others.
func Privileged() bool { return os.Geteuid() == 0 }
