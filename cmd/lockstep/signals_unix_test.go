//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hanging tells the test's own process to be one that does not come to its end
// when it is stopped.
const hanging = "LOCKSTEP_TEST_HANG"

// A second signal does not wait for anything.
//
// Scenarios: O1.
func TestSecondSignal(t *testing.T) {
	if os.Getenv(hanging) != "" {
		hang()
	}
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSecondSignal$")
		command.Env = append(os.Environ(), hanging+"=1")
		var said strings.Builder
		command.Stderr = &said
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		for _, signal := range []syscall.Signal{syscall.SIGTERM, second} {
			if !lines.Scan() {
				t.Fatal("ended before a signal, or at the first one")
			}
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		if lines.Scan() {
			t.Errorf("after the second signal: %q", lines.Text())
		}
		var exit *exec.ExitError
		if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
			t.Errorf("%v: ended with %v", second, err)
		}
		if !strings.HasPrefix(said.String(), "error: ") {
			t.Errorf("%v: said %q", second, said.String())
		}
	}
}

// hang says that it is there, and when it was told to stop, and never does.
func hang() {
	ctx, _ := untilSignal(context.Background(), time.Hour)
	fmt.Println("there")
	<-ctx.Done()
	fmt.Println("stopping")
	select {}
}
