package model_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"lockstep/e2e/rig"
)

// What a run can be told on the command line.
var (
	seed   = flag.Uint64("seed", 0, "run this seed only")
	replay = flag.String("replay", "", "file with a list of operations for TestReplay")
)

// soakFor is the environment variable that says how long each test goes on with new seeds.
const soakFor = "LOCKSTEP_SOAK"

// binary is the environment variable that holds the path of the lockstep to test.
const binary = "LOCKSTEP_E2E_BINARY"

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the binary, unless the environment names one.
func run(m *testing.M) int {
	flag.Parse()
	if os.Getenv(binary) != "" {
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "lockstep-model")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	path, err := rig.Build(context.Background(), folder)
	if err == nil {
		err = os.Setenv(binary, path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
