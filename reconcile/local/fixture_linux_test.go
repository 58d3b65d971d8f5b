package local

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// unprivileged runs the rest of a test once more as an ordinary user and
// reports whether this is that run.
func unprivileged(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	self, err := os.Executable()
	ok(t, err)
	binary, err := os.Open(self) // a user may not reach where it lies
	ok(t, err)
	defer binary.Close()
	home, err := os.MkdirTemp("/var/tmp", "source-user-")
	ok(t, err)
	defer os.RemoveAll(home)
	ok(t, os.Chown(home, 65534, 65534))
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = home, append(os.Environ(), "TMPDIR="+home, "HOME="+home)
	cmd.ExtraFiles = []*os.File{binary}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as user: %v\n%s", err, out)
	}
	return false
}
