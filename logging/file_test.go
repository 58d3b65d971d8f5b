package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// tested is a log with a file, a text console and a clock that the test moves.
type tested struct {
	*Log
	path    string
	console bytes.Buffer
	at      time.Time
}

func newTested(t *testing.T) *tested {
	t.Helper()
	l := &tested{path: filepath.Join(t.TempDir(), "state", "lockstep", "log"), at: fixedClock()}
	log, err := open(Options{File: l.path, Console: newLive(&l.console)}, func() time.Time { return l.at })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	l.Log = log
	return l
}

// pass lets time pass and tells a small record about path.
func (l *tested) pass(path string, elapsed time.Duration) {
	l.at = l.at.Add(elapsed)
	l.Solved(path)
}

// paths returns the path, or the number of lost records, of each record in a file.
func paths(t *testing.T, file string) string {
	t.Helper()
	var all []string
	for _, line := range fileLines(t, file) {
		r := parse(t, line)
		if r[KeyEvent] == EventLost {
			all = append(all, fmt.Sprintf("lost:%v", r[KeyRecords]))
		} else {
			all = append(all, fmt.Sprint(r[KeyPath]))
		}
	}
	return strings.Join(all, " ")
}

func TestFileIsCreatedPrivateAndAppended(t *testing.T) {
	l := newTested(t)
	l.pass("a", 0)
	info, err := os.Stat(l.path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v: others may read it", info.Mode(), err)
	}
	l.Close()
	l.pass("dropped", 0)
	again := openTest(t, Options{File: l.path})
	again.Solved("b")
	if got := paths(t, l.path); got != "a b" {
		t.Errorf("file has %q, want a b", got)
	}
}

// Scenarios: O10.
func TestFileRotated(t *testing.T) {
	for _, tc := range []struct {
		name   string
		rotate func(t *testing.T, path string)
		old    string // what the renamed file has in the end; empty for none
	}{
		{"renamed", func(t *testing.T, path string) { mustDo(t, os.Rename(path, path+".1")) }, "a b"},
		{"renamed_and_created", func(t *testing.T, path string) {
			mustDo(t, os.Rename(path, path+".1"))
			mustDo(t, os.WriteFile(path, nil, 0o600))
		}, "a b"},
		{"deleted", func(t *testing.T, path string) { mustDo(t, os.Remove(path)) }, ""},
		{"folder_deleted", func(t *testing.T, path string) { mustDo(t, os.RemoveAll(filepath.Dir(filepath.Dir(path)))) }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newTested(t)
			l.pass("a", 0)
			tc.rotate(t, l.path)
			l.pass("b", checkEvery/2) // not looked yet
			l.pass("c", checkEvery/2)
			l.pass("d", 0)
			if got := paths(t, l.path); got != "c d" {
				t.Errorf("new file has %q, want c d", got)
			}
			if tc.old != "" {
				if got := paths(t, l.path+".1"); got != tc.old {
					t.Errorf("old file has %q, want %q", got, tc.old)
				}
			}
			if s := l.console.String(); strings.Contains(s, "lost") {
				t.Errorf("console complains: %s", s)
			}
		})
	}
}

func TestFileReopen(t *testing.T) {
	l := newTested(t)
	l.pass("a", 0)
	mustDo(t, os.Rename(l.path, l.path+".1"))
	mustDo(t, l.Reopen())
	l.pass("b", 0)
	if got, old := paths(t, l.path), paths(t, l.path+".1"); got != "b" || old != "a" {
		t.Errorf("files have %q and %q, want b and a", got, old)
	}
	mustDo(t, l.Close())
	if err := l.Reopen(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Reopen after Close: %v", err)
	}
}

// TestFileCannotBeReopened: another kind of entry took the name; records are counted until it is gone.
func TestFileCannotBeReopened(t *testing.T) {
	l := newTested(t)
	l.pass("a", 0)
	mustDo(t, os.Remove(l.path))
	mustDo(t, os.Mkdir(l.path, 0o700))
	l.pass("b", checkEvery)
	l.pass("c", checkEvery)
	mustDo(t, os.Remove(l.path))
	l.pass("d", 0) // not looked yet
	l.pass("e", checkEvery)
	if got := paths(t, l.path); got != "lost:3 e" {
		t.Errorf("file has %q, want lost:3 e", got)
	}
	l.checkToldOnce(t, "not a regular file, it is a folder", "the log file is written again, 3 records lost")
}

// checkToldOnce holds that the console told of the trouble and of its end once each.
func (l *tested) checkToldOnce(t *testing.T, trouble, end string) {
	t.Helper()
	console := l.console.String()
	for _, s := range []string{fmt.Sprintf("log file %q", l.path), trouble, end} {
		if n := strings.Count(console, s); n != 1 {
			t.Errorf("console says %q %d times, want once:\n%s", s, n, console)
		}
	}
}

func TestFileConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(Options{File: path})
	mustDo(t, err)
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each {
				l.Solved(strings.Repeat("x", i))
				if i == each/2 {
					if err := l.Reopen(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	mustDo(t, l.Close())
	lines := fileLines(t, path)
	for _, line := range lines {
		parse(t, line)
	}
	if len(lines) != writers*each {
		t.Errorf("file has %d records, want %d", len(lines), writers*each)
	}
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
