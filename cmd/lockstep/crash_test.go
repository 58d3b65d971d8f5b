package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// crashing is the environment variable that has the test crash, with the log file that is told of it.
const crashing = "LOCKSTEP_TEST_CRASH"

// TestCrash lets a worker panic: the process ends with another exit code than 0, and the log holds the stacks.
//
// Scenarios: O12.
func TestCrash(t *testing.T) {
	if log := os.Getenv(crashing); log != "" {
		crashTo(log)
		go func() { panic("a worker went wrong") }() // ends the process
		select {}
	}
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "-test.run", "^TestCrash$")
	command.Env = append(os.Environ(), crashing+"="+log)
	output, err := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); err == nil || code == 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for where, have := range map[string]string{"log": string(text), "console": string(output)} {
		if !strings.Contains(have, "a worker went wrong") || !strings.Contains(have, "goroutine ") {
			t.Errorf("the %s holds %q", where, have)
		}
	}
	if !strings.HasPrefix(string(text), "{}\n") {
		t.Errorf("what the log held is gone: %q", text)
	}
}
