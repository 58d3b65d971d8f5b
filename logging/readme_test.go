package logging

// The session in README.md is what a console shows.

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSessionOfREADME: what the README shows of a session is what a console shows.
func TestSessionOfREADME(t *testing.T) {
	var console bytes.Buffer
	at := time.Date(2026, 1, 2, 15, 4, 5, 123_000_000, time.UTC)
	l, err := open(Options{Console: newLive(&console)}, func() time.Time { return at })
	mustDo(t, err)
	then := func(minute, second, millisecond int) {
		at = time.Date(2026, 1, 2, 15, minute, second, millisecond*1_000_000, time.UTC)
	}
	l.Start(Start{
		Version: "v0.1.0 linux/amd64 go1.26.8", Source: "/home/ada/work", Replica: "/mnt/disk/work",
		LogFile: "/home/ada/.local/state/lockstep/work-1c0ffee5.log",
		Settings: []Setting{
			{"interval", "5m0s"}, {"debounce", "10ms"}, {"workers", "3"}, {"compare", "content"}, {"durability", "auto"},
			{"owners", "not kept"},
		},
	})
	then(4, 5, 150)
	l.Watching(Watching{Folders: 1325, Elapsed: 25 * time.Millisecond})
	then(4, 5, 903)
	l.PassDone(PassDone{Files: 11478, Folders: 1324, Drift: 12803, Repaired: 12803, Equal: true})
	then(4, 31, 207)
	l.Acted(Acted{Action: "update", Path: "src/main.go", Kind: "file", Bytes: 1230, Elapsed: 1100 * time.Microsecond, Cause: CauseEvent})
	then(4, 40, 518)
	l.Acted(Acted{Action: "rename", Path: "src/parser", From: "src/parse", Kind: "folder", Elapsed: 96 * time.Microsecond, Cause: CauseEvent})
	then(5, 2, 44)
	l.Acted(Acted{Action: "remove", Path: "build", Kind: "folder", Entries: 4181, Elapsed: 22 * time.Millisecond, Cause: CauseEvent})
	then(9, 6, 214)
	l.PassDone(PassDone{
		Files: 7378, Folders: 1242, BytesRead: 250 << 20, Elapsed: 310 * time.Millisecond, Digest: "d34d1899c8e4c254", Equal: true,
	})
	then(10, 11, 1)
	l.Stopped(Stopped{Reason: "done", Elapsed: 366 * time.Second, Passes: 2, Actions: 12806, Bytes: 125 << 20})

	readme, err := os.ReadFile("../README.md")
	mustDo(t, err)
	for line := range strings.Lines(console.String()) {
		if at := strings.Index(line, "0 B read"); at > 0 { // the README leaves the rest of that line out
			line = line[:at]
		}
		if !strings.Contains(string(readme), line) {
			t.Errorf("the README does not show %q", line)
		}
	}
}
