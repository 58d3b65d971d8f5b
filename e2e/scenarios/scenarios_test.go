package scenarios_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the house, seen from this folder.
const root = "../.."

// section is a kind of scenarios, numbered from 1.
type section struct {
	letter string
	count  int
	about  string
}

// sections are all that have to be shown.
var sections = []section{
	{"T", 22, "where source, replica and log file lie"},
	{"F", 10, "a name becomes another kind of entry"},
	{"N", 14, "names"},
	{"C", 18, "content"},
	{"P", 16, "permissions and owners"},
	{"L", 11, "symlinks and hard links"},
	{"E", 24, "events"},
	{"R", 13, "the replica is tampered with"},
	{"S", 21, "resources and errors of system calls"},
	{"O", 18, "the process"},
	{"G", 13, "removals are held"},
	{"X", 30, "the replica is on another machine"},
	{"W", 8, "macOS and Windows"},
}

// unshown are the scenarios without a test, and why.
var unshown = map[string]string{
	"N12": "a backslash parts names on Windows only",
	"L11": "junctions and reparse points are Windows'",
	"W1":  "kqueue is macOS'",
	"W2":  "watches hold folders on Windows only",
	"W3":  "open files are in the way on Windows only",
	"W4":  "the read-only attribute is Windows'",
	"W6":  "F_FULLFSYNC and resource forks are macOS'",
	"W7":  "alternate streams are Windows', and documented",
	"W8":  "CI builds and vets for every system, and runs on Linux",
}

// marker is how a test names scenarios: in a line of their own, or behind its name.
var marker = regexp.MustCompile(`(?m)^\s*(?:(?://|#) Scenarios: ([A-Z][0-9]+(?:, [A-Z][0-9]+)*)\.$|// Test\w+ \(([A-Z][0-9]+(?:, [A-Z][0-9]+)*)\))`)

// TestEachIsShown finds every scenario in a test or in unshown, none in both, and no other.
func TestEachIsShown(t *testing.T) {
	shown := named(t)
	known := map[string]bool{}
	count := 0
	for _, s := range sections {
		for n := range s.count {
			id := fmt.Sprint(s.letter, n+1)
			known[id] = true
			_, excused := unshown[id]
			switch where := shown[id]; {
			case len(where) == 0 && !excused:
				t.Errorf("%s (%s): no test names it", id, s.about)
			case len(where) > 0 && excused:
				t.Errorf("%s (%s): excused, and yet named by %s", id, s.about, strings.Join(where, ", "))
			case len(where) > 0:
				count++
			}
		}
	}
	for id, where := range shown {
		if !known[id] {
			t.Errorf("%s is no scenario: named by %s", id, strings.Join(where, ", "))
		}
	}
	for id := range unshown {
		if !known[id] {
			t.Errorf("%s is no scenario: excused", id)
		}
	}
	t.Logf("%d of %d scenarios are shown", count, len(known))
}

// named returns the files that name each scenario: tests, what tests share, and script archives.
func named(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") && filepath.Ext(path) != ".txtar" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range marker.FindAllStringSubmatch(string(text), -1) {
			for id := range strings.SplitSeq(match[1]+match[2], ", ") {
				if file := strings.TrimPrefix(filepath.ToSlash(path), root+"/"); !slices.Contains(found[id], file) {
					found[id] = append(found[id], file)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
