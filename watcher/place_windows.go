package watcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

const (
	pathMax      = windows.MAX_LONG_PATH
	costPerEntry = 0
)

// place is the root folder by name: Windows keeps a folder with an open handle from being renamed.
type place struct {
	root string
	id   identity
}

func openPlace(root string) (*place, error) {
	id, _, err := readRoot(root)
	if err != nil {
		return nil, err
	}
	return &place{root: root, id: id.identity}, nil
}

func (p *place) close() {}

func (p *place) stat(path string) (attr, error) {
	return statName(filepath.Join(p.root, filepath.FromSlash(path)))
}

// RACE: a folder swapped for a junction between the two calls is listed through it. The event of the swap, or the next
// pass, puts it right; at worst paths are reported that do not exist.
func (p *place) open(path string) (*handle, error) {
	name := filepath.Join(p.root, filepath.FromSlash(path))
	a, err := statName(name)
	if err != nil {
		return nil, err
	}
	if !a.folder {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNoFolder}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &handle{file: f, attr: a}, nil
}

func (h *handle) stat(name string) (attr, error) { return statName(filepath.Join(h.file.Name(), name)) }

// remote asks for the kind of the drive.
func (h *handle) remote() string {
	volume, err := windows.UTF16PtrFromString(filepath.VolumeName(h.file.Name()) + `\`)
	if err != nil || windows.GetDriveType(volume) != windows.DRIVE_REMOTE {
		return ""
	}
	return "network drive"
}

// statName opens the entry itself, not what it leads to, for no access at all, and asks the handle.
func statName(name string) (attr, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return attr{}, err
	}
	wide, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return attr{}, err
	}
	const anyShare = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h, err := windows.CreateFile(wide, 0, anyShare, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return attr{}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer windows.CloseHandle(h)
	var d windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &d); err != nil {
		return attr{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return attr{
		id:     identity{dev: uint64(d.VolumeSerialNumber), ino: uint64(d.FileIndexHigh)<<32 | uint64(d.FileIndexLow)},
		mode:   uint32(info.Mode()),
		size:   info.Size(),
		mtime:  d.LastWriteTime.Nanoseconds(),
		ctime:  d.CreationTime.Nanoseconds(),
		folder: info.IsDir(), // not for symlinks and junctions
	}, nil
}

func readRoot(root string) (rootID, attr, error) {
	a, err := statName(root)
	if err == nil && !a.folder {
		err = &fs.PathError{Op: "stat", Path: root, Err: errNoFolder}
	}
	return rootID{identity: a.id, birth: a.ctime}, a, err
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoFolder) || errors.Is(err, windows.ERROR_DIRECTORY)
}

func crowded(err error) bool {
	return errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) || errors.Is(err, windows.ERROR_NOT_ENOUGH_MEMORY)
}

func spent(err error) bool { return crowded(err) || errors.Is(err, windows.ERROR_NO_SYSTEM_RESOURCES) }

// Windows tells no limits.
func watchLimit() int           { return 0 }
func instanceLimit() int        { return 0 }
func watchRemedy(int) string    { return "" }
func instanceRemedy(int) string { return "" }
func fileBudget() int           { return 0 }
