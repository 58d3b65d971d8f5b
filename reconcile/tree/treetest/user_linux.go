package treetest

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is the ordinary user that a test of root's becomes.
const nobody = 65534

// AsUser runs the calling test once more as an ordinary user, in a process and
// with a home of its own, and reports whether that is where it runs now. The
// test goes on only there:
//
//	if !treetest.AsUser(t) {
//		return
//	}
func AsUser(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	binary, err := program()
	must(err)
	defer binary.Close()
	home, err := os.MkdirTemp("/var/tmp", "lockstep-user-")
	must(err)
	defer os.RemoveAll(home)
	must(os.Chown(home, nobody, nobody))
	name := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/fd/3", "-test.run="+name, "-test.v")
	cmd.Dir, cmd.Env = home, append(os.Environ(), "TMPDIR="+home, "HOME="+home)
	cmd.ExtraFiles = []*os.File{binary}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
	return false
}

// program returns a copy of this program that anybody may run: a user may not
// reach where it lies, or by a umask not run it there (memfd_create).
func program() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	program := os.NewFile(uintptr(fd), "test")
	if _, err := io.Copy(program, self); err != nil {
		program.Close()
		return nil, err
	}
	return program, nil
}
