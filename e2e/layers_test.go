package e2e_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the house, seen from this folder.
const root = ".."

// arrows are the imports that DESIGN.md allows between rooms: what a room may import besides its own inner rooms.
var arrows = map[string][]string{
	"cmd":              {"watcher", "reconcile", "reconcile/tree", "reconcile/local", "reconcile/remote", "reconcile/filter", "logging"},
	"watcher":          {},
	"reconcile":        {"reconcile/tree", "reconcile/filter"},
	"reconcile/tree":   {},
	"reconcile/local":  {"reconcile/tree"},
	"reconcile/remote": {"reconcile/tree"},
	"reconcile/filter": {},
	"logging":          {},
	"e2e":              {},
}

// modules are what the product is made of besides the standard library. The first four are the design's; the others give a reason.
var modules = map[string]string{
	"github.com/fsnotify/fsnotify":          "events of the file system",
	"github.com/rs/zerolog":                 "log records",
	"github.com/urfave/cli/v2":              "flags and help",
	"golang.org/x/sys":                      "system calls",
	"golang.org/x/term":                     "whether the console is a terminal, and how wide",
	"golang.org/x/text":                     "names that differ in Unicode normalisation only",
	"github.com/vbauerster/mpb/v8":          "the live line of a long pass",
	"github.com/mattn/go-runewidth":         "how many columns a name takes on the console",
	"google.golang.org/grpc":                "calls to a replica on another machine",
	"google.golang.org/protobuf":            "the messages of those calls",
	"go.etcd.io/bbolt":                      "what is kept on disk about the other machine's chunks",
	"github.com/PlakarKorp/go-cdc-chunkers": "chunks that stay the same when something before them changes",
	"github.com/klauspost/compress":         "compression between machines",
	"github.com/zeebo/blake3":               "a digest as quick as the disk",
}

// top is what may lie at the top level.
var top = []string{
	"cmd", "watcher", "reconcile", "logging", "e2e",
	"go.mod", "go.sum", "Taskfile.yml", "README.md", "LICENSE", ".ci", ".gitignore",
}

// TestLayers holds the arrows between rooms, for everything but tests.
func TestLayers(t *testing.T) {
	for file, imports := range productImports(t) {
		room, ok := roomOf(file)
		if !ok {
			t.Errorf("%s lies in no room that the design knows", file)
			continue
		}
		for _, path := range imports {
			inner, ours := strings.CutPrefix(path, "lockstep/")
			if !ours {
				if !known(path) && room != "e2e" {
					t.Errorf("%s imports %s: give a reason for it in this test", file, path)
				}
				continue
			}
			imported, ok := roomOf(inner + "/")
			if !ok || imported != room && !slices.Contains(arrows[room], imported) {
				t.Errorf("%s imports %s: the design has no arrow from %s to it", file, path, room)
			}
		}
	}
}

// TestTopLevel holds the names at the top: a further one is a change of the design.
func TestTopLevel(t *testing.T) {
	for _, name := range topNames(t) {
		if !slices.Contains(top, name) {
			t.Errorf("%s: the design knows no such name at the top level", name)
		}
	}
}

// productImports returns the imports of each Go file that is no test, by slash path below the root.
func productImports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, name)
		}
		found[filepath.ToSlash(below)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no Go files were found")
	}
	return found
}

// roomOf returns the innermost room that holds the slash path.
func roomOf(path string) (string, bool) {
	best := ""
	for room := range arrows {
		if strings.HasPrefix(path, room+"/") && len(room) > len(best) {
			best = room
		}
	}
	return best, best != ""
}

// known reports whether a package of others belongs to the standard library, whose paths begin without a dot, or to modules.
func known(path string) bool {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return true
	}
	for module := range modules {
		if path == module || strings.HasPrefix(path, module+"/") {
			return true
		}
	}
	return false
}

// topNames lists the top level: what git holds, or without git what does not begin with a dot.
func topNames(t *testing.T) []string {
	t.Helper()
	command := exec.Command("git", "ls-files", "-z", "--", ":/")
	command.Dir = root
	output, err := command.Output()
	if err == nil && len(output) > 0 {
		var names []string
		for path := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
			name, _, _ := strings.Cut(strings.TrimPrefix(path, "../"), "/")
			names = append(names, name)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names
}
