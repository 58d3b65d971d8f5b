package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	ossignal "os/signal"
	"syscall"
	"testing"

	"lockstep/e2e/rig"
)

// namespace is set in the environment of a test that has mounts of its own.
const namespace = "LOCKSTEP_E2E_NAMESPACE"

// beside is how many scripts run at once: most of their time they wait.
const beside = "6"

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run makes the test ready: mounts that nobody else sees, many scripts side by side, and the binary.
func run(m *testing.M) int {
	flag.Parse()
	syscall.Umask(rig.Umask)
	if ossignal.Ignored(syscall.SIGHUP) { // by nohup: what is started here is to heed it
		ossignal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	if os.Getenv(namespace) == "" && os.Geteuid() == 0 {
		if code, ok := isolate(); ok {
			return code
		}
	}
	if err := rig.SetUnlessGiven("test.parallel", beside); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	remove, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	return m.Run()
}

// build makes a folder for the scripts and the binary to test, unless the environment names one, and returns what removes the folder.
func build() (remove func(), err error) {
	folder, err := os.MkdirTemp("", "lockstep-e2e")
	if err != nil {
		return nil, err
	}
	remove = func() { os.RemoveAll(folder) }
	path := os.Getenv(binary)
	if path == "" {
		path, err = rig.Build(context.Background(), folder)
	}
	if err == nil {
		// An ordinary user has to reach the binary and the scripts; these are unpacked in GOTMPDIR.
		err = errors.Join(os.Chmod(folder, 0o755), os.Setenv(binary, path), os.Setenv("GOTMPDIR", folder))
	}
	if err != nil {
		remove()
	}
	return remove, err
}

// isolate runs the test once more in a mount namespace of its own, so that whatever ends the test leaves no mount behind.
// It returns false where the system does not allow that.
func isolate() (code int, ok bool) {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), namespace+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), true
	}
	return 0, err == nil
}
