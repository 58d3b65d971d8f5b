package reconcile_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world draws operations on a tree. Each returns the paths that a watch would
// tell of, below root.
type world struct {
	*rapid.T
	root    string
	outside string // on the same file system, beside root
	count   int
}

// kept is a file that stays: of an emptied source the guard has its own tests.
const kept = "kept"

var names = []string{"a", "b", "c", "d", "é\xff", "-x y"}

// entries lists the paths below w.root that keep allows, sorted.
func (w *world) entries(keep func(fs.DirEntry) bool) []string {
	var found []string
	err := filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != w.root && d.Name() != kept && keep(d) {
			found = append(found, w.below(path))
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return found
}

func (w *world) below(path string) string {
	name, err := filepath.Rel(w.root, path)
	if err != nil {
		w.Fatal(err)
	}
	return name
}

func (w *world) on(path string) string { return filepath.Join(w.root, path) }

func anything(fs.DirEntry) bool        { return true }
func isFile(d fs.DirEntry) bool        { return d.Type().IsRegular() }
func isFolder(d fs.DirEntry) bool      { return d.IsDir() }
func settable(d fs.DirEntry) bool      { return d.IsDir() || d.Type().IsRegular() }
func (w *world) label(s string) string { return fmt.Sprintf("%s %d", s, w.count) }

// pick draws one of the entries that keep allows; "" when there is none.
func (w *world) pick(what string, keep func(fs.DirEntry) bool) string {
	found := w.entries(keep)
	if len(found) == 0 {
		return ""
	}
	return rapid.SampledFrom(found).Draw(w.T, w.label(what))
}

// place draws a path in an existing folder, with something there or not.
func (w *world) place() string {
	folders := append([]string{""}, w.entries(isFolder)...)
	folder := rapid.SampledFrom(folders).Draw(w.T, w.label("folder"))
	return filepath.Join(folder, rapid.SampledFrom(names).Draw(w.T, w.label("name")))
}

// free draws a path at which nothing stands; "" when it found none.
func (w *world) free() string {
	if path := w.place(); !exists(w.on(path)) {
		return path
	}
	return ""
}

// content is never the same twice, and half of the time as long as others.
func (w *world) content() string {
	if rapid.Bool().Draw(w.T, w.label("same size")) {
		return fmt.Sprintf("content %08d", w.count)
	}
	return strings.Repeat(fmt.Sprintf("%d ", w.count), rapid.SampledFrom([]int{0, 1, 3000}).Draw(w.T, w.label("length")))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// operations are what a person or a program may do to a tree.
var operations = map[string]func(*world) []string{
	"create": func(w *world) []string {
		path := w.free()
		if path == "" {
			return nil
		}
		w.must(os.WriteFile(w.on(path), []byte(w.content()), 0o644))
		return []string{path}
	},
	"mkdir": func(w *world) []string {
		path := w.free()
		if path == "" {
			return nil
		}
		inner := filepath.Join(path, "a")
		w.must(os.MkdirAll(w.on(inner), 0o755))
		w.must(os.WriteFile(w.on(filepath.Join(inner, "f")), []byte(w.content()), 0o644))
		return w.listed(path)
	},
	"rewrite": func(w *world) []string {
		path := w.pick("file", isFile)
		if path == "" {
			return nil
		}
		old, err := os.Stat(w.on(path))
		w.must(err)
		w.must(os.Chmod(w.on(path), 0o644))
		w.must(os.WriteFile(w.on(path), []byte(w.content()), 0o644))
		if rapid.Bool().Draw(w.T, w.label("time restored")) {
			w.must(os.Chtimes(w.on(path), time.Time{}, old.ModTime()))
		}
		return []string{path}
	},
	"append": func(w *world) []string {
		path := w.pick("file", isFile)
		if path == "" {
			return nil
		}
		f, err := os.OpenFile(w.on(path), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return nil // of a user who may not
		}
		_, err = f.WriteString(w.content())
		w.must(err)
		w.must(f.Close())
		return []string{path}
	},
	"truncate": func(w *world) []string {
		path := w.pick("file", isFile)
		if path == "" || os.Truncate(w.on(path), int64(rapid.SampledFrom([]int{0, 5, 9000}).Draw(w.T, w.label("size")))) != nil {
			return nil
		}
		return []string{path}
	},
	"rename": func(w *world) []string {
		from, to := w.pick("from", anything), w.place()
		if from == "" {
			return nil
		}
		return w.move(from, to)
	},
	"exchange": func(w *world) []string {
		a, b := w.pick("one", anything), w.pick("other", anything)
		if a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/") {
			return nil
		}
		aside := filepath.Join(w.outside, fmt.Sprint(w.count))
		w.must(os.Rename(w.on(a), aside))
		w.must(os.Rename(w.on(b), w.on(a)))
		w.must(os.Rename(aside, w.on(b)))
		return append(w.listed(a), w.listed(b)...)
	},
	"link": func(w *world) []string {
		from, to := w.pick("file", isFile), w.free()
		if from == "" || to == "" {
			return nil
		}
		w.must(os.Link(w.on(from), w.on(to)))
		return []string{to}
	},
	"alike": func(w *world) []string { // names of files that look the same, grouped anew
		folder := w.pick("folder", isFolder)
		if folder == "" {
			return nil
		}
		var dirty, firsts []string
		for i, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 2, 6, rapid.ID).Draw(w.T, w.label("alike")) {
			path := filepath.Join(folder, name)
			if exists(w.on(path)) {
				dirty = append(dirty, w.remove(path)...)
			}
			if file := rapid.IntRange(0, i/2).Draw(w.T, w.label("of")); file < len(firsts) {
				w.must(os.Link(w.on(firsts[file]), w.on(path)))
			} else {
				w.must(os.WriteFile(w.on(path), []byte("alike"), 0o644))
				w.must(os.Chtimes(w.on(path), time.Time{}, time.Unix(1, 0)))
				firsts = append(firsts, path)
			}
			dirty = append(dirty, path)
		}
		if rapid.Bool().Draw(w.T, w.label("folder, too")) {
			w.must(os.Chtimes(w.on(folder), time.Time{}, time.Unix(1, 0)))
		}
		return append(dirty, folder)
	},
	"symlink": func(w *world) []string {
		path := w.free()
		if path == "" {
			return nil
		}
		text := rapid.SampledFrom([]string{"a", "..", "/etc", "no such\xff"}).Draw(w.T, w.label("text"))
		w.must(os.Symlink(text, w.on(path)))
		return []string{path}
	},
	"fifo": func(w *world) []string {
		path := w.free()
		if path == "" {
			return nil
		}
		w.must(syscall.Mkfifo(w.on(path), 0o640))
		return []string{path}
	},
	"mode": func(w *world) []string {
		path := w.pick("entry", settable)
		if path == "" {
			return nil
		}
		mode := rapid.SampledFrom([]uint32{0o755, 0o644 | 0o100, 0o4755, 0o3777, 0o700}).Draw(w.T, w.label("mode"))
		w.must(syscall.Chmod(w.on(path), mode))
		return []string{path}
	},
	"time": func(w *world) []string {
		path := w.pick("entry", settable)
		if path == "" {
			return nil
		}
		w.must(os.Chtimes(w.on(path), time.Time{}, time.Unix(int64(w.count), 123456789)))
		return []string{path}
	},
	"xattr": func(w *world) []string {
		path := w.pick("entry", settable)
		if path == "" {
			return nil
		}
		w.must(syscall.Setxattr(w.on(path), "user.n", fmt.Append(nil, w.count), 0))
		return []string{path}
	},
	"remove": func(w *world) []string { return w.remove(w.pick("entry", anything)) },
	"flip": func(w *world) []string {
		path := w.pick("entry", anything)
		if path == "" {
			return nil
		}
		info, err := os.Lstat(w.on(path))
		w.must(err)
		dirty := w.remove(path)
		if info.IsDir() {
			w.must(os.WriteFile(w.on(path), []byte(w.content()), 0o600))
		} else {
			w.must(os.MkdirAll(w.on(filepath.Join(path, "b")), 0o755))
		}
		return append(dirty, w.listed(path)...)
	},
	"again": func(w *world) []string { // another folder of the same name
		path := w.pick("folder", isFolder)
		if path == "" {
			return nil
		}
		if rapid.Bool().Draw(w.T, w.label("moved out")) {
			w.must(os.Rename(w.on(path), filepath.Join(w.outside, fmt.Sprint(w.count))))
		} else { // what was below it is below no watch by the time it is told of
			w.must(os.RemoveAll(w.on(path)))
		}
		w.must(os.MkdirAll(w.on(filepath.Join(path, "c")), 0o755))
		w.must(os.WriteFile(w.on(filepath.Join(path, "c", "d")), []byte(w.content()), 0o644))
		return w.listed(path)
	},
	"move out": func(w *world) []string {
		path := w.pick("entry", anything)
		if path == "" {
			return nil
		}
		w.must(os.Rename(w.on(path), filepath.Join(w.outside, fmt.Sprint(w.count))))
		return []string{path}
	},
}

// move renames, over a file or an empty folder that stands at to, too.
func (w *world) move(from, to string) []string {
	err := os.Rename(w.on(from), w.on(to))
	if err != nil {
		return nil // into itself, or over another kind of thing
	}
	return append(w.listed(to), from)
}

// remove removes path with all below it.
func (w *world) remove(path string) []string {
	if path == "" {
		return nil
	}
	dirty := w.listed(path)
	slices.Reverse(dirty)
	w.must(os.RemoveAll(w.on(path)))
	return dirty
}

// listed returns path and what stands below it: what a watch tells of a folder
// that appeared.
func (w *world) listed(path string) []string {
	var found []string
	w.must(filepath.WalkDir(w.on(path), func(path string, _ fs.DirEntry, err error) error {
		found = append(found, w.below(path))
		return err
	}))
	return found
}

// step carries out one operation.
func (w *world) step() []string {
	w.count++
	kinds := make([]string, 0, len(operations))
	for kind := range operations {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return operations[rapid.SampledFrom(kinds).Draw(w.T, w.label("operation"))](w)
}

// newWorld makes a tree with something of everything in it, below dir.
func newWorld(t *rapid.T, root, outside string) *world {
	w := &world{T: t, root: root, outside: outside}
	w.must(os.MkdirAll(outside, 0o755))
	w.must(os.WriteFile(w.on(kept), nil, 0o644))
	for range rapid.IntRange(3, 12).Draw(t, "entries at first") {
		w.step()
	}
	return w
}

// scratch returns a new folder for one check of a property.
func scratch(t *testing.T, base string) string {
	dir, err := os.MkdirTemp(base, "check")
	must(t, err)
	return dir
}
