package treetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lockstep/reconcile/tree"
)

func testWholeTree(g *rig) {
	g.s.File("a", "1")
	g.s.AddFolder("b")
	g.s.File("b/c", "")
	g.s.Put("b/d", tree.Entry{Kind: tree.File, Mode: 0o400, ModTime: tree.Time{Sec: -5}}, "old")
	g.s.Put("b/empty", tree.Entry{Kind: tree.Folder, Mode: 0o700}, "")
	g.s.AddFolder("b/e")
	g.s.File("b/e/"+tree.Path(strings.Repeat("n", tree.MaxName)), "long name")
	g.s.File("b/e/-rf \xff\n*", "odd name")
	g.s.File("b/e/.lockstep-0123456789abcdef", "named like a temp")
	for _, kind := range g.kinds() {
		g.put("of "+tree.Path(kind.String()), kind, "1")
	}
	g.mirror()
	g.same()
	if err := g.r.Check(); err != nil {
		g.Error(err)
	}
	if err := g.r.Flush(context.Background()); err != nil {
		g.Error(err)
	}
	for _, path := range g.paths() {
		if g.s.Entry(path).Kind != tree.Folder {
			continue
		}
		if c := g.compare(path); len(c.Drift) > 0 || len(c.Problems) > 0 {
			g.Errorf("after the mirror %q has drift %+v, problems %v", path, c.Drift, c.Problems)
		}
	}
}

func testKinds(g *rig) {
	for _, old := range append([]tree.Kind{tree.Absent}, g.kinds()...) {
		for _, kind := range g.kinds() {
			path := tree.Path(old.String() + " then " + kind.String())
			g.s.Remove(path)
			if old != tree.Absent {
				g.put(path, old, "1")
				g.apply(g.action(path, tree.Absent))
			}
			removed := 0
			if old == tree.Folder {
				g.s.File(path+"/child", "x")
				g.s.AddFolder(path + "/below")
				g.s.File(path+"/below/child", "y")
				g.apply(g.action(path+"/child", tree.Absent), g.action(path+"/below", tree.Absent),
					g.action(path+"/below/child", tree.Absent))
				removed = 4
			} else if kind == tree.Folder && old != tree.Absent {
				removed = 1
			}
			g.s.Remove(path)
			g.put(path, kind, "2")
			out := g.apply(g.action(path, old))[0]
			if out.Did == tree.None || out.Removed != removed {
				g.Errorf("%v over %v: did %v and removed %d, want %d", kind, old, out.Did, out.Removed, removed)
			}
			if out.Entry.Kind != kind || out.Differed == 0 {
				g.Errorf("%v over %v: outcome %+v", kind, old, out)
			}
			g.same()
		}
	}
	noTemps(g.T, g.peek.Tree(g.T))
}

func testConflicts(g *rig) {
	all := append([]tree.Kind{tree.Absent}, g.kinds()...)
	for _, stands := range all {
		path := tree.Path("over " + stands.String())
		if stands != tree.Absent {
			g.put(path, stands, "1")
			g.apply(g.action(path, tree.Absent))
		}
		before := g.peek.Tree(g.T)
		for _, over := range all {
			for _, kind := range g.kinds() {
				if over == stands {
					continue
				}
				g.put(path, kind, "2")
				g.wrong(tree.ErrConflict, g.action(path, over))
			}
			if over != stands && stands != tree.Absent {
				g.wrong(tree.ErrConflict, tree.Action{Kind: tree.Remove, Path: path, Over: over})
			}
		}
		for _, kind := range g.kinds() {
			if kind != stands {
				g.wrong(tree.ErrConflict, tree.Action{Kind: tree.Metadata, Path: path, Want: tree.Entry{Kind: kind, Mode: 0o700}})
			}
		}
		g.peek.Want(g.T, before)
	}
}

func testNoParent(g *rig) {
	g.s.File("file", "x")
	g.s.File("from", "y")
	g.mirror()
	outside := g.TempDir()
	if err := os.Symlink(outside, g.peek.At("symlink")); err != nil {
		g.Skip("no symlinks here: ", err)
	}
	before := g.peek.Tree(g.T)
	for _, parent := range []tree.Path{"missing", "missing/deeper", "file", "symlink"} {
		for _, kind := range g.kinds() {
			g.put(parent+"/x", kind, "1")
			g.wrong(tree.ErrNoParent, g.action(parent+"/x", tree.Absent))
		}
		g.wrong(tree.ErrNoParent, tree.Action{Kind: tree.Link, Path: parent + "/x", From: "from", Want: g.s.Entry("from")})
		g.wrong(tree.ErrNoParent, tree.Action{Kind: tree.Rename, Path: parent + "/x", From: "from", Want: g.s.Entry("from")})
		g.apply(tree.Action{Kind: tree.Remove, Path: parent + "/x", Over: tree.File})
	}
	g.peek.Want(g.T, before)
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		g.Errorf("outside of the replica: %v, %v", entries, err)
	}
}

func testHostilePaths(g *rig) {
	g.s.File("file", "x")
	g.apply(g.action("file", tree.Absent))
	secret := filepath.Join(filepath.Dir(string(g.peek)), "secret")
	if err := os.WriteFile(secret, []byte("outside"), 0o600); err != nil {
		g.Fatal(err)
	}
	defer os.Remove(secret)
	before := g.peek.Tree(g.T)
	for _, path := range []tree.Path{
		"..", "../secret", "a/../../secret", "/etc", "/", "./x", "x/", "x//y", ".", "x\x00y",
		tree.Path(strings.Repeat("n", tree.MaxName+1)), tree.Path(secret),
	} {
		open := g.s.Opener("file")
		e := g.s.Entry("file")
		for _, a := range []tree.Action{
			{Kind: tree.Copy, Path: path, Want: e, Open: open},
			{Kind: tree.Update, Path: path, Want: e, Open: open, Over: tree.File},
			{Kind: tree.Create, Path: path, Want: tree.Entry{Kind: tree.Folder, Mode: 0o755}},
			{Kind: tree.Link, Path: path, From: "file", Want: e},
			{Kind: tree.Link, Path: "new", From: path, Want: e},
			{Kind: tree.Rename, Path: path, From: "file", Want: e},
			{Kind: tree.Rename, Path: "new", From: path, Want: e},
			{Kind: tree.Metadata, Path: path, Want: e},
			{Kind: tree.Remove, Path: path, Over: tree.File},
		} {
			if out := g.r.Apply(context.Background(), []tree.Action{a})[0]; out.Err == nil {
				g.Errorf("%v %q from %q went through: %+v", a.Kind, a.Path, a.From, out)
			}
		}
		if found := g.r.Look(context.Background(), []tree.Path{path})[0]; found.Err == nil {
			g.Errorf("look at %q: %+v", path, found)
		}
	}
	for _, kind := range []tree.ActionKind{tree.Copy, tree.Create, tree.Remove, tree.Rename, tree.Link} {
		a := tree.Action{Kind: kind, Path: tree.Root, From: "file", Over: tree.Folder, Want: g.s.Entry(tree.Root), Open: g.s.Opener("file")}
		g.wrong(fs.ErrInvalid, a)
	}
	g.peek.Want(g.T, before)
	if content, err := os.ReadFile(secret); string(content) != "outside" {
		g.Errorf("outside of the replica: %q, %v", content, err)
	}
}

func testUpdate(g *rig) {
	g.s.File("file", "one")
	g.apply(g.action("file", tree.Absent))
	check := func(did tree.ActionKind, differed tree.Attributes, bytes int64) {
		g.Helper()
		out := g.apply(g.action("file", tree.File))[0]
		if out.Did != did || out.Differed != differed || out.Bytes != bytes {
			g.Errorf("did %v of %v with %d bytes, want %v of %v with %d", out.Did, out.Differed, out.Bytes, did, differed, bytes)
		}
		content := g.s.nodes["file"].content
		if out.Digest != tree.HashContent([]byte(content)) {
			g.Errorf("digest %v is not that of %q", out.Digest, content)
		}
		if e := g.s.Entry("file"); out.Entry.ID != e.ID || out.Entry.Name != "file" {
			g.Errorf("outcome is about %+v, want %+v", out.Entry, e)
		}
		g.same()
	}
	check(tree.None, 0, 0)
	g.s.Change("file", func(e *tree.Entry, _ *string) { e.ModTime.Sec++ })
	check(tree.Metadata, tree.OfModTime, 0)
	g.s.Change("file", func(e *tree.Entry, _ *string) { e.Mode = 0o440 })
	check(tree.Metadata, tree.OfMode, 0)
	g.s.Change("file", func(_ *tree.Entry, content *string) { *content = "two" })
	check(tree.Update, tree.OfContent, 3)
	g.s.Change("file", func(e *tree.Entry, content *string) { *content, e.ModTime.Sec = "longer", 77 })
	check(tree.Update, tree.OfContent|tree.OfModTime, 6)
	g.s.Change("file", func(_ *tree.Entry, content *string) { *content = "" })
	check(tree.Update, tree.OfContent, 0)
}

func testChanging(g *rig) {
	g.s.File("file", "old version")
	g.apply(g.action("file", tree.Absent))
	before := g.peek.Tree(g.T)
	for _, unsettled := range []bool{false, true} {
		g.s.File("file", "grows while it is read")
		changing := func(path tree.Path, change func(e *tree.Entry, content *string)) tree.Action {
			a := g.action(path, tree.File)
			a.Unsettled = unsettled
			a.Open = func() (tree.Content, error) {
				content, err := g.s.Opener(path)()
				g.s.Change(path, change) // after it was opened
				return content, err
			}
			return a
		}
		grow := changing("file", func(_ *tree.Entry, content *string) { *content += ", and more" })
		if !unsettled {
			g.wrong(tree.ErrChanged, grow)
			g.peek.Want(g.T, before)
		} else if out := g.apply(grow)[0]; out.Entry.Size != int64(len("grows while it is read")) {
			g.Errorf("published %+v", out)
		}
	}
	if text := g.peek.Tree(g.T)["file"]; !strings.Contains(text, `"grows while it is read"`) {
		g.Errorf("no prefix of the length at opening: %s", text)
	}
	before = g.peek.Tree(g.T)
	a := g.action("file", tree.File)
	a.Unsettled = true
	a.Open = func() (tree.Content, error) {
		content, err := g.s.Opener("file")()
		g.s.Change("file", func(_ *tree.Entry, content *string) { *content = "shrinks" })
		return content, err
	}
	g.wrong(tree.ErrChanged, a)
	g.peek.Want(g.T, before)
	// Of a version as long as the one that is there, it is compared first.
	g.s.Change("file", func(e *tree.Entry, content *string) { *content, e.ModTime.Sec = "as long as it was then", 4711 })
	g.wrong(tree.ErrChanged, a)
	g.peek.Want(g.T, before)
}

func testUnreadable(g *rig) {
	broken := errors.New("input/output error")
	big := tree.Path("big")
	g.s.File("file", "old")
	g.s.File(big, "old")
	g.apply(g.action("file", tree.Absent), g.action(big, tree.Absent))
	before := g.peek.Tree(g.T)
	g.s.File("file", "new version")
	g.s.File(big, strings.Repeat("x", 3<<20))
	g.s.FailRead("file", broken)
	g.s.FailRead(big, broken)
	g.wrong(broken, g.action("file", tree.File))
	g.wrong(broken, g.action(big, tree.File))
	g.s.FailRead("file", nil)
	g.s.FailOpen("file", broken)
	g.wrong(broken, g.action("file", tree.File))
	g.wrong(fs.ErrInvalid, tree.Action{Kind: tree.Copy, Path: "new", Want: g.s.Entry("file")})
	g.peek.Want(g.T, before)
}

func testSizes(g *rig) {
	for name, content := range map[tree.Path]string{
		"empty": "", "one": "x", "page": strings.Repeat("p", 4096), "page and one": strings.Repeat("p", 4097),
		"block": strings.Repeat("b", tree.ContentBlock), "more than a block": strings.Repeat("b", tree.ContentBlock+1),
		"blocks":        strings.Repeat("block", 700_000),
		"zeros":         strings.Repeat("\x00", 10_000),
		"many zeros":    strings.Repeat("\x00", 5<<20),
		"zeros, data":   strings.Repeat("\x00", 3<<20) + "data",
		"data, zeros":   "data" + strings.Repeat("\x00", 3<<20),
		"between zeros": strings.Repeat("\x00", 2<<20+77) + "data" + strings.Repeat("\x00", 2<<20),
	} {
		g.s.File(name, content)
		for _, over := range []tree.Kind{tree.Absent, tree.File} {
			out := g.apply(g.action(name, over))[0]
			if out.Digest != tree.HashContent([]byte(content)) {
				g.Errorf("%v %q: digest %v", out.Did, name, out.Digest)
			}
		}
		if content != "" { // the last byte differs
			g.peek.Write(g.T, name, content[:len(content)-1]+"!")
			if out := g.apply(g.action(name, tree.File))[0]; out.Did != tree.Update {
				g.Errorf("%q with another last byte: did %v", name, out.Did)
			}
		}
	}
	g.same()
	if c := g.compare(tree.Root); len(c.Drift) > 0 {
		g.Errorf("drift %+v", c.Drift)
	}
}
