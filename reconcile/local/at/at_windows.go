package at

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"

	"lockstep/reconcile/tree"
)

// Dir is an open folder. It stays the same folder when it is renamed or
// removed. Safe for concurrent use until closed.
//
// Here it is an [os.Root]: no call leaves the folder, but what takes a second
// folder, Rename and Link, goes by its path.
type Dir struct {
	root *os.Root
	path string
	lock windows.Handle
}

// Readable reports whether d was opened with the right to list the folder.
func (d *Dir) Readable() bool { return true }

// Open opens the folder at path as a root. The path is resolved once,
// symlinks included; from then on only the handle counts. The caller closes
// it. Errors: [fs.ErrNotExist], [ErrNotFolder].
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, inner(err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, inner(err)
	}
	if info, err := os.Stat(path); err != nil {
		return nil, inner(err)
	} else if !info.IsDir() {
		return nil, ErrNotFolder
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, inner(err)
	}
	return &Dir{root: root, path: path}, nil
}

// Sub opens the folder at path below d and follows no symlink or junction on
// the way; the caller closes it. The empty path opens d itself once more. What
// is mounted into a folder is a junction. Errors: [fs.ErrNotExist],
// [ErrNotFolder].
func (d *Dir) Sub(path tree.Path, _ Walk) (*Dir, error) {
	if err := path.Check(); err != nil {
		return nil, err
	}
	at, err := d.child(".")
	if err != nil || path == tree.Root {
		return at, err
	}
	for name := range strings.SplitSeq(string(path), "/") {
		next, err := at.child(name)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// child opens one folder, and looks before and after: [os.Root] would follow
// a symlink that leads to another place in d.
func (d *Dir) child(name string) (*Dir, error) {
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, inner(err)
	}
	if before.Mode().Type() != fs.ModeDir {
		return nil, ErrNotFolder
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, inner(err)
	}
	after, err := root.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = ErrNotFolder
	}
	if err != nil {
		root.Close()
		return nil, inner(err)
	}
	return &Dir{root: root, path: filepath.Join(d.path, name)}, nil
}

// Close releases the handle.
func (d *Dir) Close() error {
	if d.lock != 0 {
		windows.CloseHandle(d.lock)
		d.lock = 0
	}
	return inner(d.root.Close())
}

// Names appends every name of the folder to buf[:0], in no order. It returns
// all names or an error, never a part of them.
func (d *Dir) Names(buf []Name) ([]Name, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, inner(err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, inner(err)
	}
	buf = buf[:0]
	for _, e := range entries {
		buf = append(buf, Name{Name: e.Name(), Kind: kindOf(e.Type())})
	}
	return buf, nil
}

func (d *Dir) openFile(name string) (File, error) {
	if err := d.isPlain(name); err != nil {
		return File{}, err
	}
	f, err := d.root.Open(name)
	return File{f: f}, inner(err)
}

// CreateFile makes the file name and opens it for reading and writing.
// Errors: [fs.ErrExist].
func (d *Dir) CreateFile(name string) (*File, error) {
	if err := checkWindowsName(name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, newFileMode)
	return opened(f, err)
}

func opened(f *os.File, err error) (*File, error) {
	if err != nil {
		return nil, inner(err)
	}
	return &File{f: f}, nil
}

// Mkdir makes the folder name.
func (d *Dir) Mkdir(name string) error {
	if err := checkWindowsName(name); err != nil {
		return err
	}
	return inner(d.root.Mkdir(name, newFolderMode))
}

// Symlink makes the symlink name with the given text.
func (d *Dir) Symlink(text, name string) error {
	if err := checkWindowsName(name); err != nil {
		return err
	}
	return inner(d.root.Symlink(text, name))
}

// Mknod answers [ErrUnsupported].
func (d *Dir) Mknod(name string, kind tree.Kind, device uint64) error { return ErrUnsupported }

// Link gives the file at name the further name toName in to. Errors:
// [fs.ErrExist], EMLINK for a file that has as many names as it can.
func (d *Dir) Link(name string, to *Dir, toName string) error {
	if err := errors.Join(checkWindowsName(name), checkWindowsName(toName)); err != nil {
		return err
	}
	err := os.Link(filepath.Join(d.path, name), filepath.Join(to.path, toName))
	if errors.Is(err, windows.ERROR_TOO_MANY_LINKS) {
		return os.NewSyscallError("link", syscall.EMLINK)
	}
	return inner(err)
}

// Rename gives what stands at name the name toName in to. [Exchange] is
// [ErrUnsupported].
func (d *Dir) Rename(name string, to *Dir, toName string, how How) error {
	if err := errors.Join(checkWindowsName(name), checkWindowsName(toName)); err != nil {
		return err
	}
	var flags uint32
	switch how {
	case Exchange:
		return ErrUnsupported
	case Replace:
		flags = windows.MOVEFILE_REPLACE_EXISTING
	}
	from, err := windows.UTF16PtrFromString(long(filepath.Join(d.path, name)))
	if err != nil {
		return err
	}
	target, err := windows.UTF16PtrFromString(long(filepath.Join(to.path, toName)))
	if err != nil {
		return err
	}
	return os.NewSyscallError("MoveFileEx", windows.MoveFileEx(from, target, flags))
}

// Unlink removes name, which must not be a folder.
func (d *Dir) Unlink(name string) error { return d.remove(name, false) }

// Rmdir removes the empty folder name.
func (d *Dir) Rmdir(name string) error { return d.remove(name, true) }

func (d *Dir) remove(name string, folder bool) error {
	if err := checkWindowsName(name); err != nil {
		return err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return inner(err)
	}
	if info.IsDir() != folder {
		return fmt.Errorf("remove: %w", fs.ErrInvalid)
	}
	return inner(d.root.Remove(name))
}

// isPlain keeps everything but regular files from calls that would follow a
// symlink.
func (d *Dir) isPlain(name string) error {
	if err := checkWindowsName(name); err != nil {
		return err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return inner(err)
	}
	if !info.Mode().IsRegular() {
		return ErrNotFile
	}
	return nil
}

// checkWindowsName refuses, before the system sees them, names that mean
// something else to it: alternate streams, devices, other folders.
func checkWindowsName(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if strings.ContainsAny(name, `<>:"\|?*`) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") ||
		!filepath.IsLocal(name) {
		return fmt.Errorf("name %q cannot stand on this system: %w", name, ErrUnsupported)
	}
	return nil
}

// long lets a path be longer than 260 characters.
func long(path string) string {
	if strings.HasPrefix(path, `\\`) {
		return path
	}
	return `\\?\` + path
}

// inner strips the path, which callers know.
func inner(err error) error {
	if errors.Is(err, windows.ERROR_INVALID_NAME) || errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE) {
		return ErrUnsupported
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return os.NewSyscallError(pathError.Op, pathError.Err)
	}
	var linkError *os.LinkError
	if errors.As(err, &linkError) {
		return os.NewSyscallError(linkError.Op, linkError.Err)
	}
	return err
}
