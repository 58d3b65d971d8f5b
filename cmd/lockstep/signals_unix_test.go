//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
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
	heedHangups()
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

// heedHangups has the processes that are started here heed SIGHUP, even where
// the tests were started by nohup.
func heedHangups() {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
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

// Who was started by nohup outlives the terminal.
//
// Scenarios: O18.
func TestHangupIgnoredFromTheStart(t *testing.T) {
	if os.Getenv(hanging) != "" {
		ctx, release := untilSignal(context.Background(), time.Hour)
		defer release()
		fmt.Println(signal.Ignored(syscall.SIGHUP), ctx.Err())
		return
	}
	heedHangups()
	for trap, want := range map[string]string{"trap '' HUP": "true <nil>\n", ":": "false <nil>\n"} {
		command := exec.CommandContext(t.Context(), "sh", "-c", trap+`; exec "$0" -test.run '^TestHangupIgnoredFromTheStart$'`, os.Args[0])
		command.Env = append(os.Environ(), hanging+"=1")
		output, err := command.Output()
		if err != nil || !strings.HasPrefix(string(output), want) {
			t.Errorf("%s: %q, %v; want %q", trap, output, err, want)
		}
	}
}
