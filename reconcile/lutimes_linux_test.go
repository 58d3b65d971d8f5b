package reconcile_test

import (
	"syscall"
	"unsafe"
)

// lutimes sets times without following a symlink (utimensat(2)).
func lutimes(path string, times [2]syscall.Timespec) error {
	const atFdcwd, symlinkNoFollow = -100, 0x100
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	at := atFdcwd
	_, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, uintptr(at), uintptr(unsafe.Pointer(p)),
		uintptr(unsafe.Pointer(&times)), symlinkNoFollow, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
