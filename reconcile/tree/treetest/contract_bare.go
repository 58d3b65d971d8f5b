package treetest

import (
	"context"
	"errors"
	"os"
	"reflect"
	"slices"

	"lockstep/reconcile/tree"
)

// testCompareBare holds a comparison with a list that leaves files out against
// one with the whole list.
func testCompareBare(g *rig) {
	for _, name := range []tree.Path{"differs", "equal", "folder there", "linked", "missing"} {
		g.s.File(name, "content")
	}
	g.s.AddFolder("folder")
	g.s.File("folder/alone", "1")
	g.mirror()
	g.s.File("differs", "Content")
	g.s.Link("linked", "other name")
	for _, name := range []tree.Path{"missing", "folder there"} {
		if err := os.Remove(g.peek.At(name)); err != nil {
			g.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(g.peek.At("folder there"), 0o755), os.RemoveAll(g.peek.At("folder"))); err != nil {
		g.Fatal(err)
	}
	for _, path := range []tree.Path{tree.Root, "folder"} {
		for _, method := range []tree.Method{tree.ByContent, tree.ByCache, tree.ByMetadata} {
			whole, bare := g.subject(path), g.subject(path)
			whole.Method, bare.Method = method, method
			var err error
			if bare.Entries, err = bare.Folder.Names(nil); err != nil {
				g.Fatal(err)
			}
			want, err1 := g.r.Compare(context.Background(), whole)
			got, err2 := g.r.Compare(context.Background(), bare)
			if err := errors.Join(err1, err2); err != nil {
				g.Fatal(err)
			}
			want.Bytes, got.Bytes = 0, 0 // the second one may find the cache filled
			if !reflect.DeepEqual(want, got) {
				g.Errorf("%q, method %d: with a bare list %+v, with a whole one %+v", path, method, got, want)
			}
			if slices.ContainsFunc(bare.Entries, tree.Entry.Bare) {
				g.Errorf("%q, method %d: left entries bare: %+v", path, method, bare.Entries)
			}
		}
	}
}

// testCompareRemoved is about a folder that goes from the replica while it is
// compared: there is nothing in it any more.
func testCompareRemoved(g *rig) {
	const often = 500
	g.s.AddFolder("folder")
	g.s.File("folder/file", "1")
	subject := g.subject("folder")
	for range often {
		if err := os.MkdirAll(g.peek.At("folder"), 0o755); err != nil {
			g.Fatal(err)
		}
		removed := make(chan error)
		go func() { removed <- os.Remove(g.peek.At("folder")) }()
		c, err := g.r.Compare(context.Background(), subject)
		if err = errors.Join(err, <-removed); err != nil || len(c.Problems) > 0 || len(c.Drift) != 1 || c.Drift[0].Differs != tree.OfExistence {
			g.Fatalf("drift %+v, problems %+v, %v", c.Drift, c.Problems, err)
		}
	}
}

// testCompareVanished is about files that are gone when they are opened or
// looked at, though the list had them.
func testCompareVanished(g *rig) {
	g.s.File("here", "1")
	g.s.File("there too", "1")
	g.mirror()
	g.s.File("only here", "1")
	for _, method := range []tree.Method{tree.ByContent, tree.ByCache, tree.ByMetadata} {
		s := g.subject(tree.Root)
		s.Method = method
		s.Entries = []tree.Entry{{Name: "gone", Kind: tree.File}, {Name: "here", Kind: tree.File}, {Name: "there too", Kind: tree.File}}
		c, err := g.r.Compare(context.Background(), s)
		if err != nil || len(c.Problems) > 0 || len(c.Drift) != 1 || c.Drift[0].Name() != "gone" || c.Drift[0].Want.Kind != tree.File {
			g.Errorf("method %d: drift %+v, problems %+v, %v", method, c.Drift, c.Problems, err)
		}
	}
}
