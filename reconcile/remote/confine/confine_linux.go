package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the versions of Landlock can take away (linux/landlock.h). Calls on
// devices (version 5) stay: nothing opens a device but to make it.
const (
	accessFirst = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	accessSecond = unix.LANDLOCK_ACCESS_FS_REFER
	accessThird  = unix.LANDLOCK_ACCESS_FS_TRUNCATE

	accessRead = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// accessFile is what a rule for a file may grant.
	accessFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// leastVersion can move files between folders, which a mirror does.
const leastVersion = 2

// restart calls landlock_create_ruleset, landlock_add_rule for each path,
// prctl(PR_SET_NO_NEW_PRIVS) and landlock_restrict_self on one thread, and
// execve on the same: the other threads end there, and nothing of this process
// goes on unconfined.
func restart(rules Rules, environment []string) error {
	version, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < leastVersion {
		return ErrUnsupported
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	all := uint64(accessFirst | accessSecond)
	if version >= 3 {
		all |= accessThird
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: all}
	set, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return fmt.Errorf("confine: %w", errno)
	}
	defer unix.Close(int(set))
	for _, path := range rules.Write {
		if err := allow(int(set), path, all); err != nil {
			return err
		}
	}
	for _, path := range append([]string{program}, rules.Read...) {
		if err := allow(int(set), path, accessRead); err != nil {
			return err
		}
	}
	runtime.LockOSThread() // never unlocked: should execve fail, the thread must not be used again
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if _, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("confine: %w", errno)
	}
	err = syscall.Exec(program, os.Args, append(os.Environ(), environment...))
	return fmt.Errorf("confine: start anew: %w", err)
}

// allow leaves access to what is at and below path.
func allow(set int, path string, access uint64) error {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if !info.IsDir() {
		access &= accessFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(f.Fd())}
	_, _, errno := syscall.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("confine: %q: %w", path, errno)
	}
	return nil
}
