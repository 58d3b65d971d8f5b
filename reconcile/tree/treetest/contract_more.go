package treetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"lockstep/reconcile/tree"
)

// oneFile reports whether the two paths of the replica name one file.
func (g *rig) oneFile(a, b tree.Path) bool {
	g.Helper()
	first, err := os.Lstat(g.peek.At(a))
	if err != nil {
		g.Fatal(err)
	}
	second, err := os.Lstat(g.peek.At(b))
	if err != nil {
		g.Fatal(err)
	}
	return os.SameFile(first, second)
}

// testLinkReplaced is about a name that another entry takes while it is given
// another name: that is no trouble, only to be looked at again.
func testLinkReplaced(g *rig) {
	const often = 500
	if !g.r.Traits().HardLinks {
		g.Skip("the replica has no hard links")
	}
	g.s.File("a", "content")
	g.s.Link("a", "b")
	g.apply(g.action("a", tree.Absent))
	link := tree.Action{Kind: tree.Link, Path: "b", From: "a", Want: g.s.Entry("a"), Over: tree.File}
	for range often {
		g.peek.Write(g.T, "other", "other")
		replaced := make(chan error)
		go func() { replaced <- os.Rename(g.peek.At("other"), g.peek.At("a")) }()
		err := g.r.Apply(context.Background(), []tree.Action{link})[0].Err
		if err := <-replaced; err != nil {
			g.Fatal(err)
		}
		if err != nil && !errors.Is(err, tree.ErrConflict) {
			g.Fatalf("link to what is replaced: %v", err)
		}
	}
}

func testLinks(g *rig) {
	if !g.r.Traits().HardLinks {
		g.Skip("the replica has no hard links")
	}
	g.s.File("a", "content")
	g.s.AddFolder("folder")
	g.s.Link("a", "b")
	g.s.Link("a", "folder/c")
	link := func(path tree.Path, over tree.Kind) tree.Action {
		return tree.Action{Kind: tree.Link, Path: path, From: "a", Want: g.s.Entry("a"), Over: over}
	}
	g.apply(g.action("a", tree.Absent), g.action("folder", tree.Absent), link("b", tree.Absent), link("folder/c", tree.Absent))
	g.same()
	if !g.oneFile("a", "b") || !g.oneFile("a", "folder/c") {
		g.Error("names were not linked")
	}
	// Once more is nothing, whatever the decision saw.
	if out := g.apply(link("b", tree.File))[0]; out.Did != tree.None {
		g.Errorf("linked what was linked: %v", out.Did)
	}
	g.same()
	// Over a file of its own, over a folder, and the broken link back.
	g.s.File("d", "own")
	g.apply(g.action("d", tree.Absent))
	g.s.Link("a", "d")
	g.apply(link("d", tree.File))
	g.s.AddFolder("e")
	g.apply(g.action("e", tree.Absent))
	g.s.Link("a", "e")
	g.apply(link("e", tree.Folder))
	g.same()
	if !g.oneFile("a", "d") || !g.oneFile("a", "e") {
		g.Error("names were not linked")
	}
	g.s.File("b", "content")
	if out := g.apply(g.action("b", tree.File))[0]; out.Did != tree.Update {
		g.Errorf("a file of its own: did %v", out.Did)
	}
	if g.oneFile("a", "b") {
		g.Error("still linked")
	}
	g.same()
	a := link("x", tree.Absent)
	a.From = "missing"
	g.wrong(tree.ErrConflict, a)
	a.From = "folder"
	g.wrong(tree.ErrConflict, a)
}

// testSpecialLinks gives other things than files several names.
func testSpecialLinks(g *rig) {
	if !g.r.Traits().SpecialLinks {
		g.Skip("the replica has hard links of files alone")
	}
	kinds := slices.DeleteFunc(g.kinds(), func(k tree.Kind) bool { return k == tree.File || k == tree.Folder })
	for _, kind := range kinds {
		one, two := tree.Path("1 "+kind.String()), tree.Path("2 "+kind.String())
		g.put(one, kind, "1")
		g.s.Link(one, two)
		link := tree.Action{Kind: tree.Link, Path: two, From: one, Want: g.s.Entry(one)}
		if out := g.apply(g.action(one, tree.Absent), link)[1]; out.Did != tree.Link {
			g.Errorf("%v: did %v", kind, out.Did)
		}
		if !g.oneFile(one, two) {
			g.Errorf("%v: names were not linked", kind)
		}
	}
	g.same()
	c := g.compare(tree.Root)
	if len(c.Linked) != 2*len(kinds) || len(c.Drift) != 0 {
		g.Errorf("compared %+v", c)
	}
	for _, l := range c.Linked {
		if l.Kind == tree.File || l.SourceLinks != 2 || l.ReplicaLinks != 2 || l.Source == (tree.ID{}) || l.Replica == (tree.ID{}) {
			g.Errorf("linked %+v", l)
		}
	}
	for _, kind := range kinds {
		one, two := tree.Path("1 "+kind.String()), tree.Path("2 "+kind.String())
		g.put(two, kind, "1")
		want := g.s.Entry(two)
		want.ModTime.Sec++
		g.wrong(tree.ErrConflict, tree.Action{Kind: tree.Metadata, Path: two, Want: want})
		part := g.action(two, kind)
		part.Fresh = true
		if out := g.apply(part)[0]; out.Did != tree.Create || out.Differed != tree.OfLinks || g.oneFile(one, two) {
			g.Errorf("%v was not parted: did %v of %v", kind, out.Did, out.Differed)
		}
	}
	g.same()
}

func testRename(g *rig) {
	g.s.AddFolder("a")
	g.s.File("a/file", "1")
	g.s.AddFolder("b")
	g.s.File("other", "2")
	g.mirror()
	rename := func(from, to tree.Path, kind tree.Kind) tree.Action {
		return tree.Action{Kind: tree.Rename, From: from, Path: to, Want: tree.Entry{Name: to.Name(), Kind: kind}}
	}
	g.wrong(tree.ErrConflict, rename("a/file", "other", tree.File))
	g.wrong(tree.ErrConflict, rename("missing", "x", tree.File))
	g.wrong(tree.ErrConflict, rename("missing/y", "x", tree.File))
	g.wrong(tree.ErrConflict, rename("a", "x", tree.File))
	if out := g.r.Apply(context.Background(), []tree.Action{rename("a", "a/x", tree.Folder)})[0]; out.Err == nil {
		g.Error("moved a folder into itself")
	}
	g.same()
	if out := g.apply(rename("a", "b/a", tree.Folder), rename("b/a/file", "b/file", tree.File))[0]; out.Did != tree.Rename {
		g.Errorf("did %v", out.Did)
	}
	g.s.Remove("a")
	g.s.AddFolder("b/a")
	g.s.File("b/file", "1")
	g.same()
}

func testMetadata(g *rig) {
	for _, kind := range g.kinds() {
		path := tree.Path(kind.String())
		g.put(path, kind, "1")
		g.apply(g.action(path, tree.Absent))
		set := func() tree.Outcome {
			return g.apply(tree.Action{Kind: tree.Metadata, Path: path, Want: g.s.Entry(path)})[0]
		}
		if out := set(); out.Did != tree.None || out.Differed != 0 {
			g.Errorf("%v without a difference: did %v of %v", kind, out.Did, out.Differed)
		}
		g.s.Change(path, func(e *tree.Entry, _ *string) { e.ModTime.Sec = 42 })
		if out := set(); out.Did != tree.Metadata || out.Differed != tree.OfModTime {
			g.Errorf("%v: did %v of %v", kind, out.Did, out.Differed)
		}
		if kind != tree.Symlink {
			g.s.Change(path, func(e *tree.Entry, _ *string) { e.Mode = 0o710 })
			if out := set(); out.Did != tree.Metadata || out.Differed != tree.OfMode {
				g.Errorf("%v: did %v of %v", kind, out.Did, out.Differed)
			}
		}
		found := g.r.Look(context.Background(), []tree.Path{path})[0]
		if d := g.r.Traits().Differ(g.s.Entry(path), found.Entry); d&^tree.OfOwner != 0 {
			g.Errorf("%v still differs in %v", kind, d)
		}
	}
	g.same()
	// The root has attributes, too.
	g.s.Change(tree.Root, func(e *tree.Entry, _ *string) { e.Mode, e.ModTime.Sec = 0o750, 43 })
	if out := g.apply(tree.Action{Kind: tree.Metadata, Want: g.s.Entry(tree.Root)})[0]; out.Did != tree.Metadata {
		g.Errorf("root: did %v", out.Did)
	}
	if info, err := os.Lstat(string(g.peek)); err != nil || info.Mode().Perm() != 0o750 || info.ModTime().Unix() != 43 {
		g.Errorf("root: %v %v, %v", info.Mode(), info.ModTime(), err)
	}
}

func testRemove(g *rig) {
	g.peek.Write(g.T, "file", "x")
	g.peek.Write(g.T, "folder/a/b/c", "x")
	g.peek.Write(g.T, "folder/a/d", "x")
	remove := func(path tree.Path, over tree.Kind, removed int) {
		g.Helper()
		out := g.apply(tree.Action{Kind: tree.Remove, Path: path, Over: over})[0]
		if out.Removed != removed || (removed > 0) != (out.Did == tree.Remove) {
			g.Errorf("remove %q: did %v of %d, want %d", path, out.Did, out.Removed, removed)
		}
	}
	remove("file", tree.File, 1)
	remove("file", tree.File, 0)
	remove("missing/file", tree.File, 0)
	remove("folder/a/b", tree.Folder, 2)
	deep := strings.TrimSuffix(strings.Repeat("d/", 40), "/")
	g.peek.Write(g.T, tree.Path("folder/"+deep+"/leaf"), "x")
	remove("folder", tree.Folder, 44)
	g.peek.Want(g.T, map[string]string{})
}

func testOrder(g *rig) {
	// What stands at a path when an action's turn comes is what the earlier
	// ones left there.
	g.s.File("f", "1")
	g.s.AddFolder("d")
	g.s.File("d/x", "2")
	g.mirror()
	g.s.Remove("f")
	g.s.Remove("d")
	g.s.AddFolder("f")
	g.s.File("f/x", "3")
	g.s.File("d", "4")
	g.s.AddFolder("moved")
	g.s.File("moved/y", "6")
	g.s.File("moved/z", "7")
	out := g.apply(
		tree.Action{Kind: tree.Remove, Path: "f", Over: tree.File},
		g.action("f", tree.Absent),
		g.action("f/x", tree.Absent),
		tree.Action{Kind: tree.Remove, Path: "d/x", Over: tree.File},
		tree.Action{Kind: tree.Rename, From: "d", Path: "moved", Want: tree.Entry{Kind: tree.Folder}},
		g.action("moved/y", tree.Absent),
		g.action("d", tree.Absent),
		g.action("moved/z", tree.Absent),
		tree.Action{Kind: tree.Remove, Path: "moved/y", Over: tree.File},
		g.action("moved/y", tree.Absent),
		tree.Action{Kind: tree.Metadata, Path: "moved", Want: g.s.Entry("moved"), Follows: true},
	)
	g.same()
	if out[0].Removed != 1 || out[len(out)-1].Differed == 0 {
		g.Errorf("outcomes %+v", out)
	}
}

func testOneWrong(g *rig) {
	broken := errors.New("broken")
	var actions []tree.Action
	for i := range 20 {
		path := tree.Path(fmt.Sprint(i))
		g.s.File(path, "content "+string(path))
		actions = append(actions, g.action(path, tree.Absent))
	}
	actions[7].Open = func() (tree.Content, error) { return nil, broken }
	for i, out := range g.r.Apply(context.Background(), actions) {
		if i == 7 && !errors.Is(out.Err, broken) || i != 7 && out.Err != nil {
			g.Errorf("outcome %d: %v", i, out.Err)
		}
	}
	g.s.Remove("7")
	g.same()
}

func testCancelled(g *rig) {
	ctx, cancel := context.WithCancel(context.Background())
	var actions []tree.Action
	for i := range 10 {
		path := tree.Path(fmt.Sprint(i))
		g.s.File(path, "content")
		actions = append(actions, g.action(path, tree.Absent))
	}
	actions[5].Open = func() (tree.Content, error) {
		cancel()
		return g.s.Opener("5")()
	}
	told := 0
	for _, out := range g.r.Apply(ctx, actions) {
		if errors.Is(out.Err, context.Canceled) {
			told++
		}
	}
	if told < 4 {
		g.Errorf("only %d outcomes say so", told)
	}
	noTemps(g.T, g.peek.Tree(g.T))
	if _, err := g.r.Compare(ctx, g.subject(tree.Root)); !errors.Is(err, context.Canceled) {
		g.Errorf("compare: %v", err)
	}
}

func testLook(g *rig) {
	for _, kind := range g.kinds() {
		g.put(tree.Path(kind.String()), kind, "1")
	}
	g.mirror()
	paths := append(g.paths(), "missing", "missing/x", "file/x", "symlink/x", "folder")
	for i, found := range g.r.Look(context.Background(), paths) {
		want, _ := g.r.Traits().Project(g.s.Entry(paths[i]))
		if found.Err != nil || found.Entry.Name != paths[i].Name() {
			g.Errorf("look at %q: %+v", paths[i], found)
		}
		if d := g.r.Traits().Differ(want, found.Entry); d&^tree.OfOwner != 0 {
			g.Errorf("look at %q: differs in %v: %+v", paths[i], d, found.Entry)
		}
	}
}

func testCount(g *rig) {
	g.peek.Write(g.T, "a/b/c", "x")
	g.peek.Write(g.T, "a/d", "x")
	g.peek.Write(g.T, "e", "x")
	for path, want := range map[tree.Path]int{tree.Root: 6, "a": 4, "a/b": 2, "e": 1, "missing": 0, "missing/x": 0, "e/x": 0} {
		if n, err := g.r.Count(context.Background(), path, 1000); n != want || err != nil {
			g.Errorf("count %q: %d, %v, want %d", path, n, err, want)
		}
	}
	if n, err := g.r.Count(context.Background(), tree.Root, 3); n != 3 || err != nil {
		g.Errorf("count up to 3: %d, %v", n, err)
	}
}

// testSideBySide is for the race detector: calls on different paths.
func testSideBySide(g *rig) {
	const workers, files = 4, 40
	for w := range workers {
		folder := tree.Path(fmt.Sprint("folder", w))
		g.s.AddFolder(folder)
		for i := range files {
			g.s.File(folder.Join(fmt.Sprint(i)), strings.Repeat("x", i*1000))
		}
	}
	var wg sync.WaitGroup
	for w := range workers {
		folder := tree.Path(fmt.Sprint("folder", w))
		actions := []tree.Action{g.action(folder, tree.Absent)}
		for i := range files {
			actions = append(actions, g.action(folder.Join(fmt.Sprint(i)), tree.Absent))
		}
		subject := g.subject(folder)
		wg.Go(func() {
			g.apply(actions...)
			if c, err := g.r.Compare(context.Background(), subject); err != nil || len(c.Drift) > 0 {
				g.Errorf("%q: drift %+v, %v", folder, c.Drift, err)
			}
		})
	}
	wg.Wait()
	g.same()
}
