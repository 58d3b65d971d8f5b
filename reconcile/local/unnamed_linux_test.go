package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// TestUnnamedAreFew holds that new files get their names whether there are
// descriptors for them or not, and that all of those are given back.
//
// Scenarios: O2.
func TestUnnamedAreFew(t *testing.T) {
	for _, d := range []Durability{Auto, NeverSync, Always} {
		for _, most := range []int64{0, 1, 5, 1000} {
			t.Run(fmt.Sprint(d, most), func(t *testing.T) {
				dir := t.TempDir()
				ok(t, os.Mkdir(dir+"/source", 0o755))
				for i := range 3 * syncEach {
					write(t, fmt.Sprintf("%s/source/file-%d", dir, i), fmt.Sprint(i))
				}
				s, r := sourceAt(t, dir+"/source"), replicaAt(t, dir+"/replica", ReplicaOptions{Durability: d})
				if r.unnamed.most == 0 {
					t.Skip("this file system names every file")
				}
				r.unnamed.most = most
				equal(t, s, r)
				if n := r.unnamed.held.Load(); n != 0 {
					t.Errorf("%d are held still", n)
				}
				if n := len(r.temps.names); n != 0 {
					t.Errorf("%d temps are alive still", n)
				}
			})
		}
	}
}

// TestUnnamedWithoutLinks holds that no file is made without a name where it
// could not be given one, as where a user has no proc(5) before Linux 6.10.
// Here the name that is tried is taken.
func TestUnnamedWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/source/file", "content")
	s, r := sourceAt(t, dir+"/source"), replicaAt(t, dir+"/replica", ReplicaOptions{})
	if r.unnamed.most == 0 {
		t.Skip("this file system names every file")
	}
	write(t, dir+"/probed/unnamed", "")
	probed, err := at.Open(dir + "/probed")
	ok(t, err)
	defer probed.Close()
	r.unnamed.most, r.unnamed.modes = 0, 0
	if r.unnamed.learn(probed); r.unnamed.most != 0 || r.unnamed.modes != 0 {
		t.Errorf("%d files may have no name, and modes %o", r.unnamed.most, r.unnamed.modes)
	}
	equal(t, s, r)
}

// TestModesOfNewFiles holds that new files have the mode of the source's,
// whatever the system takes away from it.
func TestModesOfNewFiles(t *testing.T) {
	modes := []fs.FileMode{0, 0o200, 0o444, 0o600, 0o644, 0o666, 0o755, 0o777, 0o755 | fs.ModeSetuid, 0o644 | fs.ModeSticky}
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		t.Run(fmt.Sprintf("umask %03o", mask), func(t *testing.T) {
			dir := t.TempDir()
			ok(t, os.Mkdir(dir+"/source", 0o755))
			ok(t, os.Mkdir(dir+"/replica", 0o755))
			for _, mode := range modes {
				name := dir + "/source/" + mode.String()
				write(t, name, "content")
				ok(t, os.Chmod(name, mode))
			}
			defer syscall.Umask(syscall.Umask(mask))
			s, r := sourceAt(t, dir+"/source"), replicaAt(t, dir+"/replica", ReplicaOptions{Durability: Auto})
			if want := 0o777 &^ uint32(mask); r.unnamed.modes != want {
				t.Errorf("found out that new files may have %03o; want %03o", r.unnamed.modes, want)
			}
			equal(t, s, r)
			for _, mode := range modes {
				if info, err := os.Stat(dir + "/replica/" + mode.String()); err != nil || info.Mode() != mode {
					t.Errorf("%v became %v, %v", mode, info.Mode(), err)
				}
			}
		})
	}
}

// followedContent follows where it is written.
type followedContent struct {
	tree.Content
	named    bool
	name     string
	nameless tree.Nameless
}

func (c *followedContent) Named() bool             { return c.named }
func (c *followedContent) Staging(name string)     { c.name = name }
func (c *followedContent) Unnamed(f tree.Nameless) { c.nameless = f }
func (c *followedContent) Unfinished(io.ReaderAt)  {}

// TestFollowed: a content that follows where it is written is told a name when
// it has to have one, or else can be read until it gets its first one.
func TestFollowed(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint("named ", named), func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/source/file", "content")
			s, r := sourceAt(t, dir+"/source"), replicaAt(t, dir+"/replica", ReplicaOptions{Durability: Auto})
			if r.unnamed.most == 0 {
				t.Skip("this file system names every file")
			}
			folder, err := s.Folder(tree.Root)
			ok(t, err)
			defer folder.Close()
			opened, err := folder.Open("file")
			ok(t, err)
			c := &followedContent{Content: opened, named: named}
			var between []byte
			after := tree.Action{Kind: tree.Copy, Path: "other", Want: opened.Entry(), Open: func() (tree.Content, error) {
				between = readNameless(t, c.nameless)
				return nil, tree.ErrChanged
			}}
			first := tree.Action{Kind: tree.Copy, Path: "file", Want: opened.Entry(), Open: func() (tree.Content, error) { return c, nil }}
			actions := []tree.Action{first}
			for range syncEach { // enough to be published together
				actions = append(actions, after)
			}
			if o := r.Apply(t.Context(), actions)[0]; o.Err != nil {
				t.Fatal(o.Err)
			}
			if named {
				if c.name == "" || c.nameless != nil {
					t.Errorf("told the name %q and %v", c.name, c.nameless)
				}
				return
			}
			if c.name != "" || string(between) != "content" {
				t.Errorf("told the name %q, and read %q before it had one", c.name, between)
			}
			if _, err := c.nameless.Again(); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("opened again after it got its name: %v", err)
			}
		})
	}
}

// readNameless reads what has no name yet; nothing if there is none.
func readNameless(t *testing.T, f tree.Nameless) []byte {
	t.Helper()
	if f == nil {
		return nil
	}
	again, err := f.Again()
	ok(t, err)
	defer again.Close()
	content, err := io.ReadAll(io.NewSectionReader(again, 0, 100))
	ok(t, err)
	return content
}
