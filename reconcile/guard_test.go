package reconcile

import (
	"testing"

	"lockstep/reconcile/tree"
)

// TestStrangeNames shows the guard a root of which every name changes.
// Scenarios: G10.
func TestStrangeNames(t *testing.T) {
	named := func(names ...string) (entries []tree.Entry) {
		for _, name := range names {
			entries = append(entries, tree.Entry{Name: name, Kind: tree.File})
		}
		return entries
	}
	plain, locked := named("a", "b", "c"), named("x", "y", "z")
	removal := removal{path: "a", cause: ByPass, entries: 1}
	allowed := func(g *guard) bool {
		ok, _ := g.allow(removal)
		return ok
	}

	g := newGuard(Options{})
	g.listed(tree.Root, plain)
	g.listed(tree.Root, named("b", "c", "d"))
	if !allowed(g) {
		t.Error("held although some names stayed")
	}
	g.listed(tree.Root, locked)
	if allowed(g) {
		t.Error("not held when every name changed")
	}
	g.listed(tree.Root, locked)
	if allowed(g) {
		t.Error("not held when the names stay strange")
	}
	if c := g.listed(tree.Root, plain); len(c.released) != 1 || !allowed(g) {
		t.Errorf("not released when the names are back: %+v", c)
	}
	g.sawRootChange()
	g.listed(tree.Root, locked)
	if !allowed(g) {
		t.Error("held although a watch told of changes in the root")
	}
	g = newGuard(Options{})
	g.listed(tree.Root, named("a", "b"))
	g.listed(tree.Root, locked)
	if !allowed(g) {
		t.Error("held for so few names")
	}
}
