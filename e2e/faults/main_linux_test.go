//go:build amd64 || arm64

package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/rig"
)

const (
	// namespace is set in the environment of a test that has mounts of its own.
	namespace = "LOCKSTEP_FAULTS_NAMESPACE"
	// binary holds the path of the lockstep to test.
	binary = "LOCKSTEP_E2E_BINARY"
	// soak asks for everything rather than a sample.
	soak = "LOCKSTEP_SOAK"
)

func TestMain(m *testing.M) {
	intercept.Become()
	os.Exit(runAll(m))
}

// runAll makes the test ready: mounts that nobody else sees, a file system in memory for scratch, and the binary.
func runAll(m *testing.M) int {
	flag.Parse()
	unix.Umask(rig.Umask)
	if err := rig.SetUnlessGiven("test.parallel", beside); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Geteuid() != 0 {
		return m.Run() // what needs root says so
	}
	if os.Getenv(namespace) == "" {
		return isolate()
	}
	folder, err := prepare()
	if folder != "" {
		defer os.RemoveAll(folder)
		defer unix.Unmount(folder, unix.MNT_DETACH)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// beside is how many tests run at once: most of their time they wait.
const beside = "6"

// isolate runs the test once more in a mount namespace of its own, so that whatever ends the test leaves no mount behind.
func isolate() int {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), namespace+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return command.ProcessState.ExitCode()
}

// prepare mounts scratch space, lets temporary folders of tests be made there, and builds the binary.
func prepare() (folder string, err error) {
	if folder, err = os.MkdirTemp("", "lockstep-faults"); err != nil {
		return "", err
	}
	if err := unix.Mount("lockstep-faults", folder, "tmpfs", 0, "mode=0755"); err != nil {
		return folder, fmt.Errorf("mount scratch space: %w", err)
	}
	if os.Getenv(binary) == "" {
		path, err := rig.Build(context.Background(), folder)
		if err != nil {
			return folder, err
		}
		if err := os.Setenv(binary, path); err != nil {
			return folder, err
		}
	}
	// Where the mirror keeps what it knows must not be the user's.
	state := filepath.Join(folder, "state")
	return folder, errors.Join(os.Setenv("TMPDIR", folder), os.Setenv("XDG_STATE_HOME", state), os.Setenv("XDG_CACHE_HOME", state))
}

// needRoot leaves a test out that mounts, or takes calls of another process over.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root (in CI no test may skip)")
	}
	t.Skip("needs root")
}

// complete reports whether everything is asked for rather than a sample.
func complete() bool { return os.Getenv(soak) != "" }
