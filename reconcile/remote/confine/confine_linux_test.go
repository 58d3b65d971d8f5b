package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// In a process that the test starts: the folder that stays open, and that it
// has been started anew.
const (
	openFolder = "LOCKSTEP_TEST_OPEN"
	again      = "LOCKSTEP_TEST_AGAIN"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(openFolder); folder != "" {
		confinedMain(folder)
		return
	}
	os.Exit(m.Run())
}

// confinedMain tries what a server does, and what it must not.
func confinedMain(folder string) {
	if os.Getenv(again) == "" {
		err := Restart(Rules{Write: []string{folder, "/nowhere"}, Read: []string{"/usr", "/lib", "/lib64", "/etc"}}, again+"=yes")
		if errors.Is(err, ErrUnsupported) {
			fmt.Println("unsupported")
			return
		}
		fmt.Println("restart:", err)
		os.Exit(1)
	}
	inside, outside := filepath.Join(folder, "inside"), filepath.Join(filepath.Dir(folder), "secret")
	_, readErr := os.ReadFile(outside)
	fmt.Println(
		os.WriteFile(inside, []byte("x"), 0o644), os.Mkdir(filepath.Join(folder, "sub"), 0o755),
		os.Rename(inside, filepath.Join(folder, "sub", "moved")),
		errors.Is(readErr, os.ErrPermission), errors.Is(os.WriteFile(outside, nil, 0o644), os.ErrPermission),
		errors.Is(os.Remove(outside), os.ErrPermission), errors.Is(os.Symlink("x", outside+"2"), os.ErrPermission),
	)
}

// TestRestart (X29): a confined process writes its folder, and neither reads
// nor writes beside it, root or not.
func TestRestart(t *testing.T) {
	top := t.TempDir()
	folder := filepath.Join(top, "folder")
	if err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(top, "secret"), []byte("s"), 0o644)); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), openFolder+"="+folder)
	output, err := command.CombinedOutput()
	said := strings.TrimSpace(string(output))
	if said == "unsupported" {
		t.Log("this kernel has no Landlock; the server says so when it starts")
		return
	}
	if err != nil || said != "<nil> <nil> <nil> true true true true" {
		t.Errorf("%v: %s", err, said)
	}
}
