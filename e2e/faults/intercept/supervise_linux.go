//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notice is struct seccomp_notif of linux/seccomp.h.
type notice struct {
	id           uint64
	pid          uint32
	flags        uint32
	number       int32
	architecture uint32
	instruction  uint64
	args         [6]uint64
}

// reply is struct seccomp_notif_resp.
type reply struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// Supervise asks decide before every system call of the program until the program has ended. decide runs on the goroutine of the
// caller, one call at a time: the thread that asks waits meanwhile, and others of the program do as soon as they ask too.
func (l *Launch) Supervise(decide func(Call) Verdict) error {
	ear, err := l.ear()
	if err != nil {
		return fmt.Errorf("intercept: %w", err)
	}
	defer unix.Close(ear)
	process := l.command.Process.Pid
	for {
		poll := []unix.PollFd{{Fd: int32(ear), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && err != unix.EINTR {
			return fmt.Errorf("intercept: %w", err)
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents&unix.POLLHUP != 0 {
				return nil
			}
			continue
		}
		var n notice
		if err := control(ear, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			continue // the thread has gone meanwhile
		}
		verdict := Fail(unix.EAGAIN)
		if !onlyKnown(&n) {
			verdict = decide(describe(&n))
		}
		if verdict.kill {
			// Everything waits for an answer that does not come, and is gone with the signal.
			if err := unix.Kill(process, unix.SIGKILL); err != nil {
				return fmt.Errorf("intercept: %w", err)
			}
			return nil
		}
		r := answer(process, &n, verdict)
		// It fails when the thread has been killed, which is not ours to tell.
		_ = control(ear, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	}
}

func control(fd int, request uint, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// onlyKnown reports whether the call opens a file only if the system has met its name before (openat2 with RESOLVE_CACHED). The
// system may always say that it has not: then the program calls openat, and decide is asked about that.
func onlyKnown(n *notice) bool {
	const resolveCached = 0x20 // of linux/openat2.h
	if n.number != unix.SYS_OPENAT2 {
		return false
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", n.pid))
	if err != nil {
		return false
	}
	defer memory.Close()
	var resolve [8]byte
	_, err = memory.ReadAt(resolve[:], int64(n.args[2]+uint64(unsafe.Offsetof(unix.OpenHow{}.Resolve))))
	return err == nil && binary.NativeEndian.Uint64(resolve[:])&resolveCached != 0
}

// describe names the call and the paths that it touches.
func describe(n *notice) Call {
	at := layouts[n.number]
	c := Call{Name: at.name, Args: n.args}
	c.Path = pathOf(n, at.folder, at.path)
	if at.otherFolder != none {
		c.Other = pathOf(n, at.otherFolder, at.otherPath)
	}
	if c.Name == "ioctl" && n.args[1] == unix.FICLONE {
		c.Other = pathOf(n, 2, none)
	}
	return c
}

// pathOf returns the path that the arguments folder and path of a call stand for.
func pathOf(n *notice, folder, path int) string {
	proc := fmt.Sprintf("/proc/%d/", n.pid)
	name := ""
	if path != none {
		name = text(proc+"mem", n.args[path])
	}
	if rest, ok := strings.CutPrefix(name, "/proc/self/fd/"); ok { // a path through an open folder
		number, below, _ := strings.Cut(rest, "/")
		base, _ := os.Readlink(proc + "fd/" + number)
		return filepath.Join(base, below)
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	base := proc + "cwd"
	if folder != none && int32(n.args[folder]) != unix.AT_FDCWD {
		base = fmt.Sprintf("%sfd/%d", proc, int32(n.args[folder]))
	}
	// A descriptor that is closed stands for no path, which the call will find too.
	root, _ := os.Readlink(base)
	return filepath.Join(root, name)
}

// text reads a string of the program that ends with NUL.
func text(memory string, address uint64) string {
	if address == 0 {
		return ""
	}
	f, err := os.Open(memory)
	if err != nil {
		return ""
	}
	defer f.Close()
	var all []byte
	for len(all) < unix.PathMax {
		buf := make([]byte, 256-(address+uint64(len(all)))%256) // never into a page that may not be there
		read, err := f.ReadAt(buf, int64(address)+int64(len(all)))
		if end := bytes.IndexByte(buf[:read], 0); end >= 0 {
			return string(append(all, buf[:end]...))
		}
		if all = append(all, buf[:read]...); err != nil {
			break
		}
	}
	return string(all)
}

// answer carries out a verdict.
func answer(process int, n *notice, v Verdict) reply {
	r := reply{id: n.id}
	switch {
	case v.errno != 0:
		r.errno = -int32(v.errno)
	case v.part > 0 && layouts[n.number].partial:
		done, err := part(process, n, v.part)
		r.value = int64(done)
		if errno, ok := err.(unix.Errno); ok && done < 0 {
			r.value, r.errno = 0, -int32(errno)
		}
	default:
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	return r
}
