package at

import (
	"os"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// Self is the folder's own entry, without a name and extended attributes.
func (d *Dir) Self() (tree.Entry, error) {
	var st unix.Stat_t
	if err := retry("fstat", func() error { return unix.Fstat(d.fd, &st) }); err != nil {
		return tree.Entry{}, err
	}
	e := entry("", &st)
	var up unix.Stat_t
	if err := retry("fstatat", func() error { return unix.Fstatat(d.fd, "..", &up, 0) }); err == nil {
		e.Mounted = up.Dev != st.Dev || up.Ino == st.Ino
	}
	return e, nil
}

// Look returns the entry at name, with the text of a symlink but without
// extended attributes. Errors: [fs.ErrNotExist].
func (d *Dir) Look(name string) (tree.Entry, error) {
	for {
		var st unix.Stat_t
		err := d.call("fstatat", name, func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
		if err != nil {
			return tree.Entry{}, err
		}
		e := entry(name, &st)
		switch e.Kind {
		case tree.Folder:
			e.Mounted = uint64(uint32(st.Dev)) != mountOf(d.fd).dev
		case tree.Symlink:
			text := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(d.fd, name, text)
			if err == unix.EINVAL || err == unix.EINTR { // no symlink any more: look again
				continue
			}
			if err != nil {
				return tree.Entry{}, os.NewSyscallError("readlinkat", err)
			}
			e.Link = string(text[:n])
		}
		return e, nil
	}
}

// Entry is the file as it is now, without a name and extended attributes.
func (f *File) Entry() (tree.Entry, error) {
	var st unix.Stat_t
	if err := retry("fstat", func() error { return f.stat(&st) }); err != nil {
		return tree.Entry{}, err
	}
	f.sparse = st.Blocks*512 < st.Size
	return entry("", &st), nil
}

func entry(name string, st *unix.Stat_t) tree.Entry {
	e := tree.Entry{
		Name: name, Kind: kindOf(uint32(st.Mode)), Mode: uint32(st.Mode) & 0o7777, UID: st.Uid, GID: st.Gid,
		ModTime:    timeOf(st.Mtim),
		ID:         tree.ID{Dev: uint64(uint32(st.Dev)), Ino: st.Ino},
		Links:      uint32(st.Nlink),
		ChangeTime: timeOf(st.Ctim),
	}
	switch e.Kind {
	case tree.File:
		e.Size = st.Size
	case tree.CharDevice, tree.BlockDevice:
		e.Device = uint64(uint32(st.Rdev))
	}
	return e
}

func timeOf(t unix.Timespec) tree.Time { return tree.Time{Sec: t.Sec, Nsec: int32(t.Nsec)} }

// mountPoint tells mounts apart: there are no bind mounts here.
type mountPoint struct{ dev uint64 }

func mountOf(fd int) mountPoint {
	var st unix.Stat_t
	if retry("fstat", func() error { return unix.Fstat(fd, &st) }) != nil {
		return mountPoint{}
	}
	return mountPoint{uint64(uint32(st.Dev))}
}

// Mount returns 0: mounts have no numbers here.
func (d *Dir) Mount() uint64 { return 0 }

// Identity of the folder.
func (d *Dir) Identity() (Identity, error) {
	var st unix.Stat_t
	if err := retry("fstat", func() error { return unix.Fstat(d.fd, &st) }); err != nil {
		return Identity{}, err
	}
	kind, id, err := d.FSType()
	if err != nil {
		return Identity{}, err
	}
	return Identity{fsType: kind, fsID: id, ino: st.Ino, birth: timeOf(st.Btim)}, nil
}
