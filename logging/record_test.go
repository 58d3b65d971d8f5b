package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fixedClock() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 123456789, time.UTC) }

// records is one of each kind and shape: how it is told, what the console shows, and the JSON without time and level.
var records = []struct {
	name  string
	tell  func(*Log)
	level Level
	text  string
	json  string
}{{
	name: "start",
	tell: func(l *Log) {
		l.Start(Start{
			Version: "v1.2.3", Source: "/home/a/work", Replica: "/mnt/b\n", LogFile: "/home/a/lockstep.log",
			Settings: []Setting{{"interval", "5m0s"}, {"workers", "4"}},
		})
	},
	level: LevelInfo,
	text: `15:04:05.123  start     /home/a/work → "/mnt/b\n"  lockstep v1.2.3
              log       /home/a/lockstep.log
              settings  interval 5m0s, workers 4
`,
	json: `{"event":"start","version":"v1.2.3","source":"/home/a/work","replica":"\"/mnt/b\\n\"","log_file":"/home/a/lockstep.log",
		"settings":{"interval":"5m0s","workers":"4"},"message":"started"}`,
}, {
	name:  "watching",
	tell:  func(l *Log) { l.Watching(Watching{Folders: 1204, Elapsed: 12345 * time.Microsecond}) },
	level: LevelInfo,
	text:  "15:04:05.123  watching  1,204 folders  12 ms\n",
	json:  `{"event":"watching","folders":1204,"polled":0,"elapsed_ms":12.345,"message":"watching"}`,
}, {
	name:  "watching_polled",
	tell:  func(l *Log) { l.Watching(Watching{Folders: 2048, Polled: 1024, Elapsed: time.Second}) },
	level: LevelInfo,
	text:  "15:04:05.123  watching  2,048 folders, 1,024 of them polled  1.0 s\n",
	json:  `{"event":"watching","folders":2048,"polled":1024,"elapsed_ms":1000,"message":"watching"}`,
}, {
	name: "create_folder",
	tell: func(l *Log) {
		l.Acted(Acted{Action: "create", Path: "docs", Kind: "folder", Elapsed: 34 * time.Microsecond, Cause: CausePass})
	},
	level: LevelInfo,
	text:  "15:04:05.123  create    docs/  34 µs  pass\n",
	json: `{"event":"acted","action":"create","path":"docs","kind":"folder","elapsed_ms":0.034,"cause":"pass",
		"message":"created"}`,
}, {
	name: "create_symlink",
	tell: func(l *Log) {
		l.Acted(Acted{Action: "create", Path: "latest", Kind: "symlink", Elapsed: time.Microsecond, Cause: CauseEvent})
	},
	level: LevelInfo,
	text:  "15:04:05.123  create    latest  symlink  1 µs  event\n",
	json: `{"event":"acted","action":"create","path":"latest","kind":"symlink","elapsed_ms":0.001,"cause":"event",
		"message":"created"}`,
}, {
	name: "copy",
	tell: func(l *Log) {
		l.Acted(Acted{
			Action: "copy", Path: "docs/a.txt", Kind: "file", Bytes: 12 << 10, Elapsed: 1234 * time.Microsecond, Cause: CauseEvent,
		})
	},
	level: LevelInfo,
	text:  "15:04:05.123  copy      docs/a.txt  12 KiB  1.2 ms  event\n",
	json: `{"event":"acted","action":"copy","path":"docs/a.txt","kind":"file","bytes":12288,"elapsed_ms":1.234,
		"cause":"event","message":"copied"}`,
}, {
	name: "update_to_nothing",
	tell: func(l *Log) {
		l.Acted(Acted{Action: "update", Path: "\xff", Kind: "file", Elapsed: time.Millisecond, Cause: CauseEvent})
	},
	level: LevelInfo,
	text:  "15:04:05.123  update    \"\\xff\"  0 B  1.0 ms  event\n",
	json: `{"event":"acted","action":"update","path":"\"\\xff\"","kind":"file","bytes":0,"elapsed_ms":1,"cause":"event",
		"message":"updated"}`,
}, {
	name: "link",
	tell: func(l *Log) {
		l.Acted(Acted{Action: "link", Path: "b", From: "a", Kind: "file", Elapsed: 9 * time.Microsecond, Cause: CauseEvent})
	},
	level: LevelInfo,
	text:  "15:04:05.123  link      b = a  9 µs  event\n",
	json: `{"event":"acted","action":"link","path":"b","from":"a","kind":"file","elapsed_ms":0.009,"cause":"event",
		"message":"linked"}`,
}, {
	name: "rename_folder",
	tell: func(l *Log) {
		l.Acted(Acted{
			Action: "rename", Path: "new", From: "old", Kind: "folder", Entries: 1200, Elapsed: time.Millisecond, Cause: CauseEvent,
		})
	},
	level: LevelInfo,
	text:  "15:04:05.123  rename    old/ → new/  1,200 entries  1.0 ms  event\n",
	json: `{"event":"acted","action":"rename","path":"new","from":"old","kind":"folder","entries":1200,"elapsed_ms":1,
		"cause":"event","message":"renamed"}`,
}, {
	name:  "metadata_of_root",
	tell:  func(l *Log) { l.Acted(Acted{Action: "metadata", Kind: "folder", Cause: CausePass}) },
	level: LevelInfo,
	text:  "15:04:05.123  metadata  ./  0 µs  pass\n",
	json: `{"event":"acted","action":"metadata","path":".","kind":"folder","elapsed_ms":0,"cause":"pass",
		"message":"metadata set"}`,
}, {
	name: "remove_folder",
	tell: func(l *Log) {
		l.Acted(Acted{Action: "remove", Path: "tmp", Kind: "folder", Entries: 1, Elapsed: 2 * time.Second, Cause: CausePass})
	},
	level: LevelInfo,
	text:  "15:04:05.123  remove    tmp/  1 entry  2.0 s  pass\n",
	json: `{"event":"acted","action":"remove","path":"tmp","kind":"folder","entries":1,"elapsed_ms":2000,"cause":"pass",
		"message":"removed"}`,
}, {
	name:  "pass_started",
	tell:  func(l *Log) { l.PassStarted("interval") },
	level: LevelDebug,
	text:  "15:04:05.123  pass      started  interval\n",
	json:  `{"event":"pass_started","cause":"interval","message":"pass started"}`,
}, {
	name: "pass_done_no_changes",
	tell: func(l *Log) {
		l.PassDone(PassDone{
			Cause: "interval", Files: 12345, Folders: 1, Skipped: 2, BytesRead: 3 << 30, Elapsed: 12300 * time.Millisecond,
			Digest: "0123456789abcdef0123456789abcdef", Equal: true,
		})
	},
	level: LevelInfo,
	text: "15:04:05.123  pass      no changes  12,345 files, 1 folder, 2 sockets skipped  3.0 GiB read  12 s" +
		"  0123456789abcdef\n",
	json: `{"event":"pass_done","cause":"interval","compared":12346,"files":12345,"folders":1,"bytes_read":3221225472,
		"drift":0,"repaired":0,"removed":0,"problems":0,"held":0,"skipped_sockets":2,"elapsed_ms":12300,
		"digest":"0123456789abcdef0123456789abcdef","equal":true,"message":"pass done, no changes"}`,
}, {
	name: "pass_done_repaired",
	tell: func(l *Log) {
		l.PassDone(PassDone{
			Cause: "start", Files: 1, Folders: 2, Drift: 1004, Repaired: 1000, Removed: 4, Elapsed: time.Minute, Digest: "ab",
			Equal: true,
		})
	},
	level: LevelInfo,
	text: "15:04:05.123  pass      equal after repairs: 1,004 drifted, 1,000 repaired, 4 removed  1 file, 2 folders" +
		"  0 B read  1 min  ab\n",
	json: `{"event":"pass_done","cause":"start","compared":3,"files":1,"folders":2,"bytes_read":0,"drift":1004,
		"repaired":1000,"removed":4,"problems":0,"held":0,"skipped_sockets":0,"elapsed_ms":60000,"digest":"ab",
		"equal":true,"message":"pass done, equal after repairs"}`,
}, {
	name: "pass_done_not_equal",
	tell: func(l *Log) {
		l.PassDone(PassDone{Cause: "start", Files: 1, Folders: 1, Drift: 3, Repaired: 1, Problems: 1, Held: 1,
			Unheld: []Count{{"xattrs", 1204}, {"acl", 1}}})
	},
	level: LevelInfo,
	text: "15:04:05.123  pass      not equal: 3 drifted, 1 repaired, 1 held, 1 problem  1 file, 1 folder, not held: 1,204 xattrs, 1 acl" +
		"  0 B read" +
		"  0 µs\n",
	json: `{"event":"pass_done","cause":"start","compared":2,"files":1,"folders":1,"bytes_read":0,"drift":3,"repaired":1,
		"removed":0,"problems":1,"held":1,"skipped_sockets":0,"elapsed_ms":0,"digest":"","equal":false,"unheld":{"xattrs":1204,"acl":1},
		"message":"pass done, not equal"}`,
}, {
	name: "held",
	tell: func(l *Log) {
		l.Held(Held{Reason: "source is missing", Count: 1200, Remedy: "bring /src back"})
	},
	level: LevelWarn,
	text: `15:04:05.123  held      1,200 removals: source is missing
                        → bring /src back
`,
	json: `{"event":"removals_held","reason":"source is missing","held":1200,"remedy":"bring /src back",
		"message":"removals are held"}`,
}, {
	name:  "released",
	tell:  func(l *Log) { l.Released("source is back") },
	level: LevelInfo,
	text:  "15:04:05.123  released  removals go on: source is back\n",
	json:  `{"event":"removals_released","reason":"source is back","message":"removals were released"}`,
}, {
	name: "problem",
	tell: func(l *Log) {
		l.Problem(Problem{Path: "a\x1b[2J", Verb: "copy", Err: errors.New("copy \"a\\x1b[2J\": no\nspace\u202e"), Attempt: 1})
	},
	level: LevelWarn,
	text:  "15:04:05.123  problem   copy \"a\\x1b[2J\": no\\nspace\\u202e\n",
	json: `{"event":"problem","path":"\"a\\x1b[2J\"","verb":"copy","error":"copy \"a\\x1b[2J\": no\\nspace\\u202e",
		"attempt":1,"message":"problem"}`,
}, {
	name:  "problem_again",
	tell:  func(l *Log) { l.Problem(Problem{Path: "a", Verb: "read", Err: os.ErrPermission, Attempt: 3}) },
	level: LevelDebug,
	text:  "15:04:05.123  problem   read a: permission denied  attempt 3\n",
	json: `{"event":"problem","path":"a","verb":"read","error":"permission denied","attempt":3,
		"message":"problem"}`,
}, {
	name:  "solved",
	tell:  func(l *Log) { l.Solved("a") },
	level: LevelInfo,
	text:  "15:04:05.123  solved    a\n",
	json:  `{"event":"problem_solved","path":"a","message":"problem was solved"}`,
}, {
	name: "notice",
	tell: func(l *Log) {
		l.Notice(Notice{Class: "watch_limit", Text: "3 folders are polled", Remedy: "sysctl fs.inotify.max_user_watches=1048576"})
	},
	level: LevelWarn,
	text: `15:04:05.123  notice    3 folders are polled
                        → sysctl fs.inotify.max_user_watches=1048576
`,
	json: `{"event":"notice","class":"watch_limit","text":"3 folders are polled",
		"remedy":"sysctl fs.inotify.max_user_watches=1048576","message":"notice"}`,
}, {
	name:  "notice_info",
	tell:  func(l *Log) { l.Notice(Notice{Class: "replica_created", Text: "created /replica", Level: LevelInfo}) },
	level: LevelInfo,
	text:  "15:04:05.123  notice    created /replica\n",
	json:  `{"event":"notice","class":"replica_created","text":"created /replica","message":"notice"}`,
}, {
	name:  "unheld",
	tell:  func(l *Log) { l.Unheld(Unheld{Class: "xattrs", Text: "vfat has no xattrs"}) },
	level: LevelWarn,
	text:  "15:04:05.123  unheld    vfat has no xattrs\n",
	json: `{"event":"attribute_unheld","class":"xattrs","text":"vfat has no xattrs",
		"message":"replica cannot hold an attribute"}`,
}, {
	name:  "failed",
	tell:  func(l *Log) { l.Failed(errors.New("watch \"/src\": no such file"), "look for /src") },
	level: LevelError,
	text: `15:04:05.123  error     watch "/src": no such file
                        → look for /src
`,
	json: `{"event":"failed","error":"watch \"/src\": no such file","remedy":"look for /src","message":"failed"}`,
}, {
	name: "stopped",
	tell: func(l *Log) {
		l.Stopped(Stopped{
			Reason: "interrupted", Elapsed: 3*time.Hour + 12*time.Minute, Passes: 39, Actions: 1204, Bytes: 5 << 20, Problems: 2,
		})
	},
	level: LevelInfo,
	text:  "15:04:05.123  stop      interrupted after 3 h 12 min: 39 passes, 1,204 actions, 5.0 MiB written, 2 problems\n",
	json: `{"event":"stopped","reason":"interrupted","passes":39,"actions":1204,"bytes":5242880,"problems":2,
		"elapsed_ms":11520000,"message":"stopped"}`,
}, {
	name:  "stopped_server",
	tell:  func(l *Log) { l.Stopped(Stopped{Reason: "done", Elapsed: 3 * time.Minute}) },
	level: LevelInfo,
	text:  "15:04:05.123  stop      done after 3 min\n",
	json:  `{"event":"stopped","reason":"done","passes":0,"actions":0,"bytes":0,"problems":0,"elapsed_ms":180000,"message":"stopped"}`,
}}

func TestRecords(t *testing.T) {
	for _, tc := range records {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			var console bytes.Buffer
			l := openTest(t, Options{File: path, Console: newLive(&console), Level: LevelDebug})
			tc.tell(l)
			if diff := cmp.Diff(tc.text, console.String()); diff != "" {
				t.Errorf("console (-want +got):\n%s", diff)
			}
			want := parse(t, tc.json)
			want[KeyLevel], want[KeyTime] = string(tc.level), "2026-01-02T15:04:05.123456Z"
			lines := fileLines(t, path)
			if len(lines) != 1 {
				t.Fatalf("file has %d lines, want 1: %q", len(lines), lines)
			}
			if diff := cmp.Diff(want, parse(t, lines[0])); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
		})
	}
}

// TestActedTogether: actions told at once are the records that they are when told one by one, also more than are handed over
// in one piece.
func TestActedTogether(t *testing.T) {
	all := make([]Acted, 1000)
	for i := range all {
		all[i] = Acted{Action: "copy", Path: fmt.Sprint(i), Kind: "file", Cause: CausePass}
	}
	tell := map[string]func(*Log){
		"together": func(l *Log) { l.Acted(all...) },
		"singly": func(l *Log) {
			for _, a := range all {
				l.Acted(a)
			}
		},
	}
	file, console := map[string][]string{}, map[string]string{}
	for name, f := range tell {
		l := newTested(t)
		f(l.Log)
		file[name], console[name] = fileLines(t, l.path), l.console.String()
	}
	if len(file["singly"]) != len(all) {
		t.Errorf("file has %d records, want %d", len(file["singly"]), len(all))
	}
	if diff := cmp.Diff(file["singly"], file["together"]); diff != "" {
		t.Errorf("file (-singly +together):\n%s", diff)
	}
	if diff := cmp.Diff(console["singly"], console["together"]); diff != "" {
		t.Errorf("console (-singly +together):\n%s", diff)
	}
}

// TestRecordsJSONConsole holds that the console in JSON is the file, byte for byte.
func TestRecordsJSONConsole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var console bytes.Buffer
	l := openTest(t, Options{File: path, Console: newLive(&console), Level: LevelDebug, Format: FormatJSON})
	for _, tc := range records {
		tc.tell(l)
	}
	if got := strings.Join(fileLines(t, path), "\n") + "\n"; got != console.String() {
		t.Errorf("console and file differ:\n%s\n%s", console.String(), got)
	}
}

func TestLevelsAndQuiet(t *testing.T) {
	rank := map[Level]int{LevelDebug: 0, LevelInfo: 1, LevelWarn: 2, LevelError: 3}
	for _, tc := range []struct {
		name          string
		options       Options
		file, console Level // least that is told
	}{
		{"default", Options{}, LevelInfo, LevelInfo},
		{"debug", Options{Level: LevelDebug}, LevelDebug, LevelDebug},
		{"warn", Options{Level: LevelWarn}, LevelWarn, LevelWarn},
		{"error", Options{Level: LevelError}, LevelError, LevelError},
		{"quiet", Options{Quiet: true}, LevelInfo, LevelWarn},
		{"quiet_debug", Options{Level: LevelDebug, Quiet: true}, LevelDebug, LevelWarn},
		{"quiet_error", Options{Level: LevelError, Quiet: true}, LevelError, LevelError},
		{"quiet_json", Options{Quiet: true, Format: FormatJSON}, LevelInfo, LevelWarn},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var console bytes.Buffer
			tc.options.File = filepath.Join(t.TempDir(), "log")
			tc.options.Console = newLive(&console)
			l := openTest(t, tc.options)
			for _, r := range records {
				console.Reset()
				before := len(fileLines(t, tc.options.File))
				r.tell(l)
				if got, want := console.Len() > 0, rank[r.level] >= rank[tc.console]; got != want {
					t.Errorf("%s: on the console: %v, want %v", r.name, got, want)
				}
				if got, want := len(fileLines(t, tc.options.File)) > before, rank[r.level] >= rank[tc.file]; got != want {
					t.Errorf("%s: in the file: %v, want %v", r.name, got, want)
				}
			}
		})
	}
}

func TestColourSaysNothingNew(t *testing.T) {
	var plain, coloured bytes.Buffer
	a, b := newLive(&plain), newLive(&coloured)
	b.colour = true
	for _, r := range records {
		r.tell(openTest(t, Options{Console: a, Level: LevelDebug}))
		r.tell(openTest(t, Options{Console: b, Level: LevelDebug}))
	}
	if !strings.Contains(coloured.String(), "\x1b[2m15:04:05.123\x1b[0m  \x1b[32mcopy\x1b[0m      docs/a.txt  12 KiB  \x1b[2m1.2 ms") {
		t.Errorf("no colours as wanted in:\n%q", coloured.String())
	}
	if diff := cmp.Diff(plain.String(), withoutColour(coloured.String())); diff != "" {
		t.Errorf("without its colours the text differs (-plain +coloured):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	if _, err := ParseLevel("trace"); err == nil {
		t.Error("level trace was accepted")
	}
	if l, err := ParseLevel("warn"); l != LevelWarn || err != nil {
		t.Errorf("ParseLevel(warn) = %v, %v", l, err)
	}
	if _, err := ParseFormat("xml"); err == nil {
		t.Error("format xml was accepted")
	}
	if f, err := ParseFormat("json"); f != FormatJSON || err != nil {
		t.Errorf("ParseFormat(json) = %v, %v", f, err)
	}
}

func openTest(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := open(o, fixedClock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func parse(t *testing.T, line string) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return m
}

func fileLines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		t.Errorf("the file ends within a line: %q", b)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

func withoutColour(s string) string {
	for {
		from, rest, found := strings.Cut(s, "\x1b[")
		if !found {
			return s
		}
		_, rest, _ = strings.Cut(rest, "m")
		s = from + rest
	}
}
