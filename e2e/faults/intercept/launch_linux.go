//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// marker is set in the environment of a process that is to become the program, to the names of the calls that are intercepted.
const marker = "LOCKSTEP_INTERCEPTED"

// socket is the descriptor on which that process hands over the ear of its filter.
const socket = 3

// Become has to be the first thing that the main function of a test does: in a process that [Start] has made of the test's own binary
// it puts the filter in place and becomes the program, and elsewhere it does nothing.
func Become() {
	calls := os.Getenv(marker)
	if calls == "" {
		return
	}
	os.Unsetenv(marker)
	fmt.Fprintln(os.Stderr, "error: intercept:", become(strings.Split(calls, ",")))
	os.Exit(1)
}

func become(calls []string) error {
	runtime.LockOSThread() // the filter is this thread's, which execve(2) makes the only one
	ear, err := install(calls)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(ear), nil, 0); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	unix.CloseOnExec(socket)
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// install adds a filter that asks before each of the calls and returns the descriptor on which it asks.
func install(calls []string) (int, error) {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
	)
	program := []unix.SockFilter{{Code: load}} // the number of the call is the first field
	for number, at := range layouts {
		if !slices.Contains(calls, at.name) {
			continue
		}
		program = append(program,
			unix.SockFilter{Code: equal, K: uint32(number), Jf: 1},
			unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	program = append(program, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW})
	if os.Geteuid() != 0 {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return 0, err
		}
	}
	// Once asked, only a fatal signal ends the wait for the answer, so that no call is asked for twice.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	ear, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return 0, os.NewSyscallError("seccomp", errno)
	}
	return int(ear), nil
}

// Command prepares command, which has to come from [rig.Command] or [exec.Command] with an absolute path, to be intercepted once it
// is started: all the calls that this package knows, or only those that are named. The caller starts it and then calls [Launch.Supervise], or [Launch.Close] when it could not be started.
func Command(command *exec.Cmd, calls ...string) (*Launch, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("intercept: %w", err)
	}
	if len(command.ExtraFiles) > 0 {
		return nil, errors.New("intercept: the program must not inherit files")
	}
	if len(calls) == 0 {
		for _, at := range layouts {
			calls = append(calls, at.name)
		}
	}
	environment := command.Env
	if environment == nil {
		environment = os.Environ()
	}
	l := &Launch{command: command, ours: pair[0], theirs: os.NewFile(uintptr(pair[1]), "intercept")}
	command.Env = append(environment[:len(environment):len(environment)], marker+"="+strings.Join(calls, ","))
	command.Args = append([]string{"intercept", command.Path}, command.Args[1:]...)
	command.Path = "/proc/self/exe"
	command.ExtraFiles = []*os.File{l.theirs}
	return l, nil
}

// Launch is a program that is about to be intercepted.
type Launch struct {
	command *exec.Cmd
	ours    int
	theirs  *os.File
}

// Close releases what Command made.
func (l *Launch) Close() {
	l.theirs.Close()
	unix.Close(l.ours)
}

// ear waits for the descriptor on which the filter asks.
func (l *Launch) ear() (int, error) {
	l.theirs.Close() // so that the end of the process is seen
	defer unix.Close(l.ours)
	var text [1]byte
	rights := make([]byte, unix.CmsgSpace(4))
	for {
		n, length, _, _, err := unix.Recvmsg(l.ours, text[:], rights, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = errors.New("the process ended before it had a filter")
		}
		if err != nil {
			return 0, err
		}
		messages, err := unix.ParseSocketControlMessage(rights[:length])
		if err != nil {
			return 0, err
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return 0, err
		}
		return fds[0], nil
	}
}
