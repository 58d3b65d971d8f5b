//go:build unix

package reach

import (
	"os/exec"
	"syscall"
)

// ownGroup lets a command lead a process group, away from the terminal's
// signals.
func ownGroup(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends a command and all that it has started.
func endGroup(command *exec.Cmd) { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
