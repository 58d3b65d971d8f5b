package treetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lockstep/reconcile/tree"
)

func testCompareEqual(g *rig) {
	for _, kind := range g.kinds() {
		g.put(tree.Path(kind.String()), kind, "1")
	}
	g.s.File("empty", "")
	g.s.File("big", strings.Repeat("0123456789", 300_000))
	g.s.File("hole", strings.Repeat("\x00", 4<<20)+"x")
	g.s.Put("socket", tree.Entry{Kind: tree.Socket}, "")
	g.mirror()
	var told atomic.Int64
	for _, method := range []tree.Method{tree.ByContent, tree.ByCache, tree.ByMetadata} {
		s := g.subject(tree.Root)
		s.Method = method
		s.Read = func(n int64) { told.Add(n) }
		told.Store(0)
		c, err := g.r.Compare(context.Background(), s)
		if err != nil || len(c.Drift) > 0 || len(c.Problems) > 0 || len(c.Linked) > 0 {
			g.Fatalf("method %d: %+v, %v", method, c, err)
		}
		if told.Load() != c.Bytes || method == tree.ByContent && c.Bytes < 6_000_000 || method == tree.ByMetadata && c.Bytes > 0 {
			g.Errorf("method %d: told of %d bytes, counted %d", method, told.Load(), c.Bytes)
		}
		if c.Lost[0] != 1 { // the socket
			g.Errorf("method %d: lost %v", method, c.Lost)
		}
		for i, e := range s.Entries {
			if zero := e.Kind == tree.Folder || e.Kind == tree.Socket; zero != c.Leaves[i].IsZero() {
				g.Errorf("method %d: leaf of %q is %v", method, e.Name, c.Leaves[i])
			}
			if method == tree.ByMetadata || c.Leaves[i].IsZero() {
				continue
			}
			want, _ := g.r.Traits().Project(g.s.Entry(tree.Path(e.Name)))
			content := tree.HashContent([]byte(g.s.nodes[tree.Path(e.Name)].content))
			if c.Leaves[i] != g.r.Traits().LeafDigest(want, content) {
				g.Errorf("method %d: leaf of %q is not that of its attributes and content", method, e.Name)
			}
		}
	}
}

func testCompareDifferences(g *rig) {
	stamp := ModTime.Time()
	for name, tamper := range map[string]struct {
		do      func(path string) error
		differs tree.Attributes
	}{
		"same": {func(string) error { return nil }, 0},
		"content of equal size": {func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("Content"), 0), os.Chtimes(path, stamp, stamp))
		}, tree.OfContent},
		"size": {func(path string) error {
			return errors.Join(os.Truncate(path, 3), os.Chtimes(path, stamp, stamp))
		}, tree.OfContent},
		"mode":  {func(path string) error { return os.Chmod(path, 0o600) }, tree.OfMode},
		"mtime": {func(path string) error { return os.Chtimes(path, stamp, stamp.Add(time.Minute)) }, tree.OfModTime},
		"mode and mtime": {func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.Chtimes(path, stamp, stamp.Add(time.Minute)))
		}, tree.OfModTime | tree.OfMode},
		"missing": {os.Remove, tree.OfExistence},
		"folder":  {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }, tree.OfKind},
		"symlink": {func(path string) error { return errors.Join(os.Remove(path), os.Symlink("same", path)) }, tree.OfKind},
	} {
		g.s.File("file", "content")
		g.apply(g.action("file", tree.Absent))
		if err := tamper.do(g.peek.At("file")); err != nil {
			g.Fatal(err)
		}
		c := g.compare(tree.Root)
		var differs tree.Attributes
		for _, d := range c.Drift {
			differs |= d.Differs
			if d.Name() != "file" || d.Have.Name != "file" || d.Want.Kind != tree.File {
				g.Errorf("%s: drift %+v", name, d)
			}
		}
		if got := differs &^ tree.OfContent; got != tamper.differs&^tree.OfContent || tamper.differs.Has(tree.OfContent) && !differs.Has(tree.OfContent) {
			g.Errorf("%s: differs in %v, want %v", name, differs, tamper.differs)
		}
		lacks := differs&(tree.OfContent|tree.OfKind|tree.OfExistence) != 0
		if c.Leaves[0].IsZero() != lacks {
			g.Errorf("%s: leaf %v", name, c.Leaves[0])
		}
		if err := os.RemoveAll(g.peek.At("file")); err != nil {
			g.Fatal(err)
		}
	}
}

func testCompareNames(g *rig) {
	for _, name := range []tree.Path{"b", "d", "f"} {
		g.s.File(name, "x")
	}
	for _, name := range []tree.Path{"a", "c", "d", "e", "g"} {
		g.peek.Write(g.T, name, "other")
	}
	var names []string
	for _, d := range g.compare(tree.Root).Drift {
		name := d.Name()
		switch {
		case d.Want.Kind == tree.Absent:
			name += " additional"
		case d.Have.Kind == tree.Absent:
			name += " missing"
		}
		names = append(names, name)
	}
	want := []string{"a additional", "b missing", "c additional", "d", "e additional", "f missing", "g additional"}
	if !slices.Equal(names, want) {
		g.Errorf("drift %v, want %v", names, want)
	}
	// A folder that the replica lacks, or has a file or symlink for, is empty.
	for _, name := range []tree.Path{"missing", "a", "symlink"} {
		g.s.AddFolder(name)
		g.s.File(name+"/x", "1")
		if name == "symlink" {
			if err := os.Symlink(g.TempDir(), g.peek.At(name)); err != nil {
				g.Skip("no symlinks here: ", err)
			}
		}
		c := g.compare(name)
		if len(c.Drift) != 1 || c.Drift[0].Have.Kind != tree.Absent || c.Drift[0].Differs != tree.OfExistence {
			g.Errorf("folder %q: drift %+v", name, c.Drift)
		}
	}
}

func testCompareUnreadable(g *rig) {
	g.s.File("a", "1")
	g.s.File("b", "2")
	g.s.File("c", "3")
	g.s.File("d", "4")
	g.mirror()
	broken := errors.New("input/output error")
	g.s.FailOpen("a", broken)
	g.s.FailRead("b", broken)
	g.s.FailOpen("c", fs.ErrNotExist)
	g.s.FailOpen("d", tree.ErrChanged)
	c := g.compare(tree.Root)
	if len(c.Problems) != 2 || c.Problems[0].Name != "a" || c.Problems[1].Name != "b" ||
		!errors.Is(c.Problems[0].Err, broken) || !errors.Is(c.Problems[1].Err, broken) {
		g.Errorf("problems %+v", c.Problems)
	}
	if len(c.Drift) != 2 || c.Drift[0].Name() != "c" || c.Drift[1].Name() != "d" {
		g.Errorf("drift %+v", c.Drift)
	}
	for i, leaf := range c.Leaves {
		if !leaf.IsZero() {
			g.Errorf("leaf %d is %v", i, leaf)
		}
	}
}

func testCompareLinks(g *rig) {
	g.s.File("a", "1")
	g.s.File("b", "1")
	g.s.File("c", "1")
	g.s.File("single", "1")
	g.mirror()
	g.s.Link("a", "a2")
	if err := os.Link(g.peek.At("b"), g.peek.At("b2")); err != nil {
		g.Skip("no hard links here: ", err)
	}
	c := g.compare(tree.Root)
	for _, l := range c.Linked {
		if l.Kind != tree.File {
			g.Errorf("%q is said to be a %v", l.Name, l.Kind)
		}
	}
	if len(c.Linked) != 2 || c.Linked[0].Name != "a" || c.Linked[0].SourceLinks != 2 || c.Linked[0].ReplicaLinks != 1 ||
		c.Linked[1].Name != "b" || c.Linked[1].SourceLinks != 1 || c.Linked[1].ReplicaLinks != 2 {
		g.Errorf("linked %+v", c.Linked)
	}
	if c.Linked[0].Source != g.s.Entry("a").ID || c.Linked[1].Replica == (tree.ID{}) {
		g.Errorf("linked %+v", c.Linked)
	}
}

// testDigests holds the digest that an outcome allows to make against the one
// that a comparison makes.
func testDigests(g *rig) {
	paths := []tree.Path{"a", "b", "c"}
	for i, path := range paths {
		g.s.Put(path, tree.Entry{Kind: tree.File, Mode: 0o640}, strings.Repeat("x", i*1_000_000))
	}
	leaves := make([]tree.Digest, len(paths))
	for i, path := range paths {
		out := g.apply(g.action(path, tree.Absent))[0]
		want, _ := g.r.Traits().Project(out.Entry)
		leaves[i] = g.r.Traits().LeafDigest(want, out.Digest)
	}
	if c := g.compare(tree.Root); !slices.Equal(c.Leaves, leaves) {
		g.Errorf("leaves by comparison %v, by actions %v", c.Leaves, leaves)
	}
}
