//go:build amd64 || arm64

package intercept

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// part makes a call that reads or writes on behalf of the program, with at most so many bytes of what it asked for. It returns what
// the call did.
//
// It calls pidfd_open and pidfd_getfd for the very files of the program, and process_vm_readv or process_vm_writev for its bytes.
func part(process int, n *notice, bytes int) (int, error) {
	pid, err := unix.PidfdOpen(process, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pid)
	fd, err := unix.PidfdGetfd(pid, int(n.args[0]), 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	if n.number == unix.SYS_COPY_FILE_RANGE {
		return copyPart(process, pid, fd, n, bytes)
	}
	buf := make([]byte, min(uint64(bytes), n.args[2]))
	if len(buf) == 0 {
		return 0, nil
	}
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	remote := []unix.RemoteIovec{{Base: uintptr(n.args[1]), Len: len(buf)}}
	switch n.number {
	case unix.SYS_READ, unix.SYS_PREAD64:
		done := 0
		if n.number == unix.SYS_READ {
			done, err = unix.Read(fd, buf)
		} else {
			done, err = unix.Pread(fd, buf, int64(n.args[3]))
		}
		if err == nil && done > 0 {
			_, err = unix.ProcessVMWritev(process, local, remote, 0)
		}
		return done, err
	default:
		if _, err := unix.ProcessVMReadv(process, local, remote, 0); err != nil {
			return -1, err
		}
		if n.number == unix.SYS_WRITE {
			return unix.Write(fd, buf)
		}
		return unix.Pwrite(fd, buf, int64(n.args[3]))
	}
}

// copyPart is part for copy_file_range with offsets, which have to be moved on as the call does.
func copyPart(process, pid, from int, n *notice, bytes int) (int, error) {
	to, err := unix.PidfdGetfd(pid, int(n.args[2]), 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(to)
	var offsets [2]*int64
	for i, address := range [2]uint64{n.args[1], n.args[3]} {
		if address == 0 {
			continue
		}
		offsets[i] = new(int64)
		if _, err := unix.ProcessVMReadv(process, word(offsets[i]), far(address), 0); err != nil {
			return -1, err
		}
	}
	done, err := unix.CopyFileRange(from, offsets[0], to, offsets[1], int(min(uint64(bytes), n.args[4])), 0)
	if err != nil {
		return -1, err
	}
	for i, address := range [2]uint64{n.args[1], n.args[3]} {
		if address == 0 {
			continue
		}
		if _, err := unix.ProcessVMWritev(process, word(offsets[i]), far(address), 0); err != nil {
			return -1, err
		}
	}
	return done, nil
}

// word is a number of ours, and far one of the program.
func word(number *int64) []unix.Iovec {
	return []unix.Iovec{{Base: (*byte)(unsafe.Pointer(number)), Len: uint64(unsafe.Sizeof(*number))}}
}

func far(address uint64) []unix.RemoteIovec {
	return []unix.RemoteIovec{{Base: uintptr(address), Len: int(unsafe.Sizeof(address))}}
}
