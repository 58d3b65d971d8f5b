package at

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"lockstep/reconcile/tree"
)

// Self is the folder's own entry, without a name.
func (d *Dir) Self() (tree.Entry, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return tree.Entry{}, inner(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return tree.Entry{}, inner(err)
	}
	return entry("", info, f), nil
}

// Look returns the entry at name, with the text of a symlink. Errors:
// [fs.ErrNotExist].
func (d *Dir) Look(name string) (tree.Entry, error) {
	if err := checkWindowsName(name); err != nil {
		return tree.Entry{}, err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return tree.Entry{}, inner(err)
	}
	var f *os.File
	switch kindOf(info.Mode()) {
	case tree.File, tree.Folder: // a file that somebody opened for himself alone has no identity
		if f, err = d.root.Open(name); err == nil {
			defer f.Close()
		}
	}
	e := entry(name, info, f)
	if e.Kind == tree.Symlink {
		e.Link, err = d.root.Readlink(name)
		return e, inner(err)
	}
	return e, nil
}

// entry takes the identity from f, unless that is nil.
func entry(name string, info fs.FileInfo, f *os.File) tree.Entry {
	e := tree.Entry{
		Name: name, Kind: kindOf(info.Mode()), Mode: uint32(info.Mode().Perm()),
		ModTime: tree.TimeOf(info.ModTime()), Links: 1,
	}
	if e.Kind == tree.File {
		e.Size = info.Size()
	}
	if f == nil {
		return e
	}
	var more windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &more) == nil {
		e.ID = tree.ID{Dev: uint64(more.VolumeSerialNumber), Ino: uint64(more.FileIndexHigh)<<32 | uint64(more.FileIndexLow)}
		e.Links = more.NumberOfLinks
	}
	return e
}

// kindOf takes junctions and other reparse points for what is not mirrored:
// they are neither folders nor symlinks that can be made again.
func kindOf(mode fs.FileMode) tree.Kind {
	switch mode.Type() {
	case 0:
		return tree.File
	case fs.ModeDir:
		return tree.Folder
	case fs.ModeSymlink:
		return tree.Symlink
	}
	return tree.Socket
}

// SetOwner answers [ErrUnsupported] unless nothing is to change.
func (d *Dir) SetOwner(name string, uid, gid uint32) error { return keepOwner(uid, gid) }

// SetMode sets whether name may be written. The empty name is d.
func (d *Dir) SetMode(name string, mode uint32) error {
	name, err := d.noSymlink(name)
	if err != nil {
		return err
	}
	return inner(d.root.Chmod(name, fs.FileMode(mode&0o777)))
}

// SetBothTimes does nothing: here no file system ignores one of them.
func (d *Dir) SetBothTimes() {}

// SetTime sets the modification time of name, in steps of 100 ns. The time of
// the last access stays. The empty name is d.
func (d *Dir) SetTime(name string, t tree.Time) error {
	name, err := d.noSymlink(name)
	if err != nil {
		return err
	}
	return inner(d.root.Chtimes(name, time.Time{}, t.Time()))
}

// noSymlink keeps a symlink from calls that would follow it.
func (d *Dir) noSymlink(name string) (string, error) {
	if name == "" {
		return ".", nil
	}
	if err := checkWindowsName(name); err != nil {
		return "", err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return "", inner(err)
	}
	if kind := kindOf(info.Mode()); kind != tree.File && kind != tree.Folder {
		return "", ErrUnsupported
	}
	return name, nil
}

// Xattrs returns none: there are none that are mirrored.
func (d *Dir) Xattrs(name string) ([]tree.Xattr, error) { return nil, nil }

// SetXattrs answers [ErrUnsupported] unless nothing is wanted.
func (d *Dir) SetXattrs(name string, want, have []tree.Xattr) error { return noXattrs(want) }

// SyncFS does nothing: only an administrator may flush a whole volume.
func (d *Dir) SyncFS() error { return nil }

// Mounting is not told here.
func (d *Dir) Mounting() string { return "" }

// SyncsFS reports that [Dir.SyncFS] does not stand for the disk.
func (d *Dir) SyncsFS() bool { return false }

// Lock takes the lock of the folder, a mutex of the system named after it,
// which ends with the handle at the latest. Errors: [ErrLocked].
func (d *Dir) Lock() error {
	i, err := d.Identity()
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(fmt.Sprintf(`Global\lockstep-%x-%x`, i.fsID, i.ino))
	if err != nil {
		return err
	}
	lock, err := windows.CreateMutex(nil, false, name)
	if err == windows.ERROR_ALREADY_EXISTS {
		windows.CloseHandle(lock)
		return ErrLocked
	}
	if err != nil {
		return os.NewSyscallError("CreateMutex", err)
	}
	d.lock = lock
	return nil
}

// Space returns how many bytes this process could still write to the file
// system that d is on.
func (d *Dir) Space() (available uint64, err error) {
	path, err := windows.UTF16PtrFromString(d.path)
	if err != nil {
		return 0, err
	}
	err = windows.GetDiskFreeSpaceEx(path, &available, nil, nil)
	return available, os.NewSyscallError("GetDiskFreeSpaceEx", err)
}

// FSType returns 0, and the serial number of the volume.
func (d *Dir) FSType() (kind, id uint64, err error) {
	i, err := d.Identity()
	return 0, i.fsID, err
}

// Mount returns 0: mounts have no numbers here.
func (d *Dir) Mount() uint64 { return 0 }

// Identity of the folder.
func (d *Dir) Identity() (Identity, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return Identity{}, inner(err)
	}
	defer f.Close()
	var more windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &more); err != nil {
		return Identity{}, os.NewSyscallError("GetFileInformationByHandle", err)
	}
	return Identity{
		fsID:  uint64(more.VolumeSerialNumber),
		ino:   uint64(more.FileIndexHigh)<<32 | uint64(more.FileIndexLow),
		birth: tree.TimeOf(time.Unix(0, more.CreationTime.Nanoseconds())),
	}, nil
}

// Privileged reports false: owners are not mirrored here.
func Privileged() bool { return false }
