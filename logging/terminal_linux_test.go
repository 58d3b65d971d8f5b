package logging

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new pseudo terminal (pty(7)).
func openTerminal(t *testing.T, columns uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	mustDo(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	mustDo(t, err)
	mustDo(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	mustDo(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// output collects what a terminal's program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) collect(master *os.File) {
	b := make([]byte, 4096)
	for {
		n, err := master.Read(b)
		o.mu.Lock()
		o.buf.Write(b[:n])
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *output) await(t *testing.T, want string) {
	t.Helper()
	await(t, func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if got := o.buf.String(); !strings.Contains(got, want) {
			return fmt.Errorf("terminal shows %q, want %q in it", got, want)
		}
		return nil
	})
}

func TestTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	master, slave := openTerminal(t, 30)
	live := NewLive(slave, LineOnTerminal)
	var out output
	go out.collect(master)
	l := openTest(t, Options{Console: live})
	stop := startLive(live)
	live.State(State{Equal: true, Folders: 1204, Proved: time.Now().Add(-time.Hour)})
	out.await(t, "\x1b[?7l\x1b[32mequal\x1b[0m\x1b[2m · 1,204 folders watche…\x1b[0m\x1b[?7h\r")
	l.Solved("a")
	out.await(t, "\r\x1b[J\x1b[2m15:04:05.123\x1b[0m  \x1b[32msolved\x1b[0m    a\r\n\x1b[?7l\x1b[32mequal")
	mustDo(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 20}))
	// The signal goes to the terminal's foreground group, which this process is not in.
	mustDo(t, unix.Kill(os.Getpid(), unix.SIGWINCH))
	out.await(t, "\r\x1b[J\x1b[?7l\x1b[32mequal\x1b[0m\x1b[2m · 1,204 fold…\x1b[0m\x1b[?7h\r")
	stop()
	l.Solved("b")
	out.await(t, "…\x1b[0m\x1b[?7h\r\r\x1b[J\x1b[2m15:04:05.123\x1b[0m  \x1b[32msolved\x1b[0m    b\r\n")
}

func TestTerminalWithoutColourOrLine(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	master, slave := openTerminal(t, 80)
	if live := NewLive(slave, LineOnTerminal); live.colour || live.terminal == nil {
		t.Errorf("NO_COLOR: colour %v, live line %v", live.colour, live.terminal != nil)
	}
	t.Setenv("NO_COLOR", "")
	if live := NewLive(slave, LineNever); !live.colour || live.terminal != nil {
		t.Errorf("no line: colour %v, live line %v", live.colour, live.terminal != nil)
	}
	t.Setenv("TERM", "dumb")
	if live := NewLive(slave, LineOnTerminal); live.colour || live.terminal != nil {
		t.Errorf("dumb: colour %v, live line %v", live.colour, live.terminal != nil)
	}
	master.Close()
}

// TestTerminalHungUp: the terminal's window was closed.
func TestTerminalHungUp(t *testing.T) {
	t.Setenv("TERM", "xterm")
	master, slave := openTerminal(t, 80)
	live := NewLive(slave, LineOnTerminal)
	stop := startLive(live)
	mustDo(t, master.Close())
	await(t, func() error {
		fmt.Fprintln(live, "line")
		live.State(State{Waiting: 1})
		live.mu.Lock()
		defer live.mu.Unlock()
		if !live.broken {
			return errors.New("the closed terminal is not noticed")
		}
		return nil
	})
	stop()
}

// asksJobs tells the test's own process to say whether it is in the background.
const asksJobs = "LOCKSTEP_TEST_JOBS"

func TestInBackground(t *testing.T) {
	if os.Getenv(asksJobs) != "" {
		tty, err := os.Open("/dev/tty")
		mustDo(t, err)
		fmt.Println("background:", inBackground(int(tty.Fd())))
		return
	}
	_, slave := openTerminal(t, 80)
	if inBackground(int(slave.Fd())) {
		t.Error("in the background of a terminal without jobs")
	}
	const self = `"$0" -test.run '^TestInBackground$'`
	shell := exec.CommandContext(t.Context(), "sh", "-c", "set -m; "+self+"; "+self+" & wait", os.Args[0])
	shell.Env = append(os.Environ(), asksJobs+"=1")
	shell.Stdin = slave
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	output, err := shell.CombinedOutput()
	mustDo(t, err)
	said := regexp.MustCompile("background: .*").FindAllString(string(output), -1)
	if !slices.Equal(said, []string{"background: false", "background: true"}) {
		t.Errorf("%q, of %s", said, output)
	}
}
