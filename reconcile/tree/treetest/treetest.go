// Package treetest holds what tests of the contract in package tree share: the
// suite that every [tree.Replica] passes, a source in memory, a replica of which
// one call goes wrong, and an ordinary user to run a test as.
package treetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"lockstep/reconcile/tree"
)

// TestReplica runs the contract suite. open opens a new empty replica for a
// subtest, which stands on a folder of this machine, and closes it with t.
func TestReplica(t *testing.T, open func(t *testing.T) (tree.Replica, Peek)) {
	parts := []part{
		{"whole tree", testWholeTree},
		{"every kind over every kind", testKinds},
		{"another kind than expected", testConflicts},
		{"no parent", testNoParent},
		{"hostile paths", testHostilePaths},
		{"update", testUpdate},
		{"changing content", testChanging},
		{"unreadable content", testUnreadable},
		{"sizes", testSizes},
		{"links", testLinks},
		{"link replaced", testLinkReplaced},
		{"links of symlinks and specials", testSpecialLinks},
		{"rename", testRename},
		{"metadata", testMetadata},
		{"remove", testRemove},
		{"order of a batch", testOrder},
		{"one action goes wrong", testOneWrong},
		{"cancelled", testCancelled},
		{"look", testLook},
		{"count", testCount},
		{"compare equal trees", testCompareEqual},
		{"compare every difference", testCompareDifferences},
		{"compare by the cache", testCompareCached},
		{"compare names", testCompareNames},
		{"compare bare lists", testCompareBare},
		{"compare vanished", testCompareVanished},
		{"compare removed", testCompareRemoved},
		{"compare with what cannot be read", testCompareUnreadable},
		{"compare links", testCompareLinks},
		{"digests", testDigests},
		{"side by side", testSideBySide},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			r, peek := open(t)
			part.test(&rig{T: t, r: r, peek: peek, s: NewSource()})
		})
	}
}

// part is one of the tests of the suite.
type part struct {
	name string
	test func(*rig)
}

// rig is a subtest with a new replica and a new source.
type rig struct {
	*testing.T
	r    tree.Replica
	peek Peek
	s    *Source
}

// action returns what brings the source's entry at path over; over is what
// stands there.
func (g *rig) action(path tree.Path, over tree.Kind) tree.Action {
	a := tree.Action{Kind: tree.Create, Path: path, Want: g.s.Entry(path), Over: over}
	if a.Want.Kind == tree.File {
		a.Kind, a.Open, a.Hash = tree.Copy, g.s.Opener(path), true
		if over == tree.File {
			a.Kind = tree.Update
		}
	}
	return a
}

// apply carries out actions, of which none may go wrong.
func (g *rig) apply(actions ...tree.Action) []tree.Outcome {
	g.Helper()
	out := g.r.Apply(context.Background(), actions)
	if len(out) != len(actions) {
		g.Fatalf("%d outcomes of %d actions", len(out), len(actions))
	}
	for i := range out {
		if out[i].Err != nil {
			g.Errorf("%v %q: %v", actions[i].Kind, actions[i].Path, out[i].Err)
		}
	}
	return out
}

// wrong carries out one action, which must answer want.
func (g *rig) wrong(want error, a tree.Action) tree.Outcome {
	g.Helper()
	out := g.r.Apply(context.Background(), []tree.Action{a})[0]
	if !errors.Is(out.Err, want) {
		g.Errorf("%v %q: error %v, want %v", a.Kind, a.Path, out.Err, want)
	}
	if out.Err != nil && out.Did != tree.None {
		g.Errorf("%v %q: did %v in spite of %v", a.Kind, a.Path, out.Did, out.Err)
	}
	return out
}

// mirror brings the whole source over in one batch, into an empty replica.
func (g *rig) mirror() {
	g.Helper()
	var actions, after []tree.Action
	for _, path := range g.paths() {
		e := g.s.Entry(path)
		if e.Kind == tree.Socket {
			continue
		}
		if path != tree.Root {
			actions = append(actions, g.action(path, tree.Absent))
		}
		if e.Kind == tree.Folder {
			after = append(after, tree.Action{Kind: tree.Metadata, Path: path, Want: e, Follows: true})
		}
	}
	slices.Reverse(after)
	g.apply(append(actions, after...)...)
}

// paths of the source, parents before children.
func (g *rig) paths() []tree.Path {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return slices.Sorted(maps.Keys(g.s.nodes))
}

// same fails unless the replica is what the source is.
func (g *rig) same() {
	g.Helper()
	g.peek.Want(g.T, g.s.Describe())
}

// compare compares the folder at path by content.
func (g *rig) compare(path tree.Path) tree.Comparison {
	g.Helper()
	c, err := g.r.Compare(context.Background(), g.subject(path))
	if err != nil {
		g.Fatalf("compare %q: %v", path, err)
	}
	return c
}

func (g *rig) subject(path tree.Path) tree.Subject {
	g.Helper()
	f, err := g.s.Folder(path)
	if err != nil {
		g.Fatal(err)
	}
	entries, err := f.List()
	if err != nil {
		g.Fatal(err)
	}
	return tree.Subject{Path: path, Folder: f, Entries: entries}
}

// kinds are the kinds that the replica can hold and every process can make.
func (g *rig) kinds() []tree.Kind {
	kinds := []tree.Kind{tree.File, tree.Folder}
	if g.r.Traits().Symlinks {
		kinds = append(kinds, tree.Symlink)
	}
	if g.r.Traits().FIFOs {
		kinds = append(kinds, tree.FIFO)
	}
	return kinds
}

// put puts something of that kind at path, which differs from turn to turn.
func (g *rig) put(path tree.Path, kind tree.Kind, turn string) {
	e := tree.Entry{Kind: kind}
	if kind == tree.Symlink {
		e.Link, e.Mode = "to "+turn, 0o777
	}
	content := ""
	if kind == tree.File {
		content = "content " + turn
	}
	g.s.Put(path, e, content)
}
