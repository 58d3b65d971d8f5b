package main

import (
	"os"
	"testing"

	"github.com/urfave/cli/v2"
)

// A variable that is set to nothing is one that is not set: a server that is
// given no address does not listen on every one.
//
// Scenarios: O15.
func TestEmptyVariables(t *testing.T) {
	for _, command := range newApp(os.Stdout, os.Stderr).Commands {
		for _, f := range command.Flags {
			for _, name := range f.(cli.DocGenerationFlag).GetEnvVars() {
				t.Setenv(name, "")
			}
		}
	}
	unsetEmpty()
	for _, name := range []string{"LOCKSTEP_LISTEN", "LOCKSTEP_ALLOW", "LOCKSTEP_STDIO", "LOCKSTEP_QUIET", "LOCKSTEP_WORKERS"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s is %q", name, value)
		}
	}
}
