package reach

import "os/exec"

// ownGroup has nothing to do here.
func ownGroup(*exec.Cmd) {}

// endGroup ends a command.
func endGroup(command *exec.Cmd) { _ = command.Process.Kill() }
