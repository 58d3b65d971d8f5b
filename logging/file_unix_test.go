//go:build unix

package logging

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFileMustBeRegular(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mustDo(t, os.WriteFile(at("file"), nil, 0o600))
	mustDo(t, os.Symlink(at("file"), at("link")))
	mustDo(t, os.Symlink(at("nowhere"), at("dangling")))
	mustDo(t, os.Mkdir(at("folder"), 0o700))
	mustDo(t, unix.Mkfifo(at("fifo"), 0o600))
	mustDo(t, unix.Mkfifo(at("read_fifo"), 0o600))
	reader, err := os.OpenFile(at("read_fifo"), os.O_RDONLY|unix.O_NONBLOCK, 0)
	mustDo(t, err)
	defer reader.Close()
	for _, tc := range []struct{ name, cause string }{
		{"link", "symbolic link"},
		{"dangling", "symbolic link"},
		{"folder", "folder"},
		{"fifo", "named pipe"},
		{"read_fifo", "named pipe"},
		{"file/below", "not a directory"},
		{"/dev/full", "device"},
	} {
		t.Run(filepath.Base(tc.name), func(t *testing.T) {
			path := tc.name
			if !filepath.IsAbs(path) {
				path = at(tc.name)
			}
			l, err := Open(Options{File: path})
			if err == nil {
				l.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), strconv.Quote(path)) || !strings.Contains(err.Error(), tc.cause) {
				t.Errorf("%v: does not name path %q and cause %q", err, path, tc.cause)
			}
		})
	}
	if _, err := os.Lstat(at("nowhere")); err == nil {
		t.Error("the target of a dangling link was created")
	}
}

// TestFileDiskFull puts /dev/full in the place of the file for a while.
//
// Scenarios: O10.
func TestFileDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full on this system")
	}
	defer full.Close()
	l := newTested(t)
	l.pass("a", 0)
	good := l.file.f
	l.file.f = full
	l.pass("b", 0)
	l.pass("c", checkEvery)
	l.file.f = good
	l.pass("d", 0)
	l.pass("e", 0)
	if got := paths(t, l.path); got != "a lost:2 d e" {
		t.Errorf("file has %q, want a lost:2 d e", got)
	}
	l.checkToldOnce(t, "no space left on device", "the log file is written again, 2 records lost")
}

// TestFileDiskFullJSON: a console in JSON is told in JSON.
func TestFileDiskFullJSON(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full on this system")
	}
	defer full.Close()
	var console bytes.Buffer
	path := filepath.Join(t.TempDir(), "log")
	l := openTest(t, Options{File: path, Console: newLive(&console), Format: FormatJSON, Quiet: true})
	good := l.file.f
	l.file.f = full
	l.Solved("a")
	l.file.f = good
	l.Solved("b")
	var told []any
	for line := range strings.Lines(console.String()) {
		r := parse(t, line)
		told = append(told, r[KeyClass], r[KeyText], r[KeyRecords])
	}
	want := []any{
		"log_file", "log file " + strconv.Quote(path) + ": no space left on device", 0.0,
		"log_file", "the log file is written again", 1.0,
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("console (-want +got):\n%s", diff)
	}
}

// limitedEnv has the re-executed test binary write a log whose size is limited, as on a disk that fills up.
const limitedEnv = "LOCKSTEP_TEST_LIMITED"

// TestFileTornLine fills the disk in the middle of a record: the next one begins a new line.
func TestFileTornLine(t *testing.T) {
	path := os.Getenv(limitedEnv)
	if path == "" {
		path = filepath.Join(t.TempDir(), "log")
		cmd := exec.Command(os.Args[0], "-test.run=^TestFileTornLine$")
		cmd.Env = append(os.Environ(), limitedEnv+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := fileLines(t, path)
		if len(lines) != 8 || strings.HasSuffix(lines[1], "}") || strings.HasSuffix(lines[5], "}") {
			t.Fatalf("want a record, a torn one, the number lost and another, all twice:\n%s", strings.Join(lines, "\n"))
		}
		for i, want := range map[int]string{0: `"a"`, 2: `"records":2`, 3: `"d"`, 4: `"e"`, 6: `"records":2`, 7: `"h"`} {
			parse(t, lines[i])
			if !strings.Contains(lines[i], want) {
				t.Errorf("line %d: %s: want %s", i, lines[i], want)
			}
		}
		return
	}
	l, err := Open(Options{File: path})
	mustDo(t, err)
	l.Solved("a")
	info, err := os.Stat(path)
	mustDo(t, err)
	var old unix.Rlimit
	mustDo(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &old))
	limit := old
	limit.Cur = uint64(info.Size()) + 10
	mustDo(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	l.Solved("b")
	l.Solved("c")
	mustDo(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &old))
	l.Solved("d")
	// The same with records that are told together, of which the first one fits.
	info, err = os.Stat(path)
	mustDo(t, err)
	limit.Cur = uint64(info.Size()) + 200
	mustDo(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	l.Acted(Acted{Action: "copy", Path: "e"}, Acted{Action: "copy", Path: "f"}, Acted{Action: "copy", Path: "g"})
	mustDo(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &old))
	l.Solved("h")
	mustDo(t, l.Close())
}

// closedEnv has the re-executed test binary tell records to its standard output and error, which nobody reads.
const closedEnv = "LOCKSTEP_TEST_CLOSED"

// TestConsoleClosed: `lockstep ... | head` goes on without a console, with and without Run.
//
// Scenarios: O11.
func TestConsoleClosed(t *testing.T) {
	const records = 20000 // several times what a pipe holds
	if mode := os.Getenv(closedEnv); mode != "" {
		tellToClosedConsole(t, records, mode == "run")
		return
	}
	for _, mode := range []string{"direct", "run"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			cmd := exec.Command(os.Args[0], "-test.run=^TestConsoleClosed$")
			cmd.Env = append(os.Environ(), closedEnv+"="+mode, "LOCKSTEP_TEST_LOG="+path)
			r, w, err := os.Pipe()
			mustDo(t, err)
			cmd.Stdout, cmd.Stderr = w, w
			mustDo(t, cmd.Start())
			w.Close()
			first := make([]byte, 20)
			_, err = io.ReadFull(r, first)
			mustDo(t, err)
			r.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("process ended with %v", err)
			}
			if n := len(fileLines(t, path)); n != records {
				t.Errorf("file has %d records, want %d", n, records)
			}
		})
	}
}

// tellToClosedConsole ends the process, since the test's own output would not get out.
func tellToClosedConsole(t *testing.T, records int, run bool) {
	SurviveClosedConsole()
	live := NewLive(os.Stdout, LineOnTerminal)
	l, err := Open(Options{File: os.Getenv("LOCKSTEP_TEST_LOG"), Console: live})
	mustDo(t, err)
	stop := func() {}
	if run {
		stop = startLive(live)
	}
	for range records {
		l.Solved("some/path/that/is/not/short")
	}
	stop()
	if _, err := os.Stderr.WriteString("still here\n"); err == nil || !live.broken {
		os.Exit(3)
	}
	os.Exit(0)
}

// TestConsoleNotRead: a pipe that nobody reads costs the stall time once, see TestLiveStallsOnce, and the rest of the lines.
func TestConsoleNotRead(t *testing.T) {
	r, w, err := os.Pipe()
	mustDo(t, err)
	defer r.Close()
	defer w.Close()
	live := NewLive(w, LineOnTerminal)
	l := openTest(t, Options{Console: live})
	stop := startLive(live)
	const records = 3 * pendingMax / 40
	for range records {
		l.Solved("some/path/that/is/not/short")
	}
	// Somebody reads at last: what was kept and how much was not.
	read := make(chan string, 1)
	go func() {
		var out strings.Builder
		for lines := bufio.NewReader(r); ; {
			line, err := lines.ReadString('\n')
			out.WriteString(line)
			if err != nil || strings.HasSuffix(line, "last\n") {
				read <- out.String()
				return
			}
		}
	}()
	await(t, func() error {
		live.mu.Lock()
		defer live.mu.Unlock()
		if live.stalled || live.missed > 0 || len(live.pending) > 0 {
			return fmt.Errorf("the console does not recover: stalled %v, %d missed, %d pending", live.stalled, live.missed, len(live.pending))
		}
		return nil
	})
	l.Solved("last")
	var out string
	await(t, func() error { // before stop, which leaves who reads slowly
		select {
		case out = <-read:
			return nil
		default:
			return errors.New("the last line does not come")
		}
	})
	stop()
	if !strings.Contains(out, " lines not shown here") || !strings.HasSuffix(out, "solved    last\n") {
		t.Errorf("end of the console: %q", out[max(0, len(out)-200):])
	}
}
