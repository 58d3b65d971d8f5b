package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

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

// A burst that goes on is one burst, however long it takes.
//
// Scenarios: G5.
func TestALongBurstIsLimitedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most, err := ParseLimit("3")
		if err != nil {
			t.Fatal(err)
		}
		g := newGuard(Options{MaxDelete: most})
		allowed := func() (n int) {
			for range 20 {
				if ok, _ := g.allow(removal{path: "a", cause: ByWatch, entries: 1}); ok {
					n++
				}
				time.Sleep(burstGap / 2) // on the fake clock
			}
			return n
		}
		if n := allowed(); n != 3 {
			t.Errorf("%d removals of a long burst, want 3", n)
		}
		time.Sleep(2 * burstGap) // on the fake clock
		if n := allowed(); n != 3 {
			t.Errorf("%d removals of the next burst, want 3", n)
		}
		if ok, _ := g.allowPass(3, 100); !ok {
			t.Error("a pass may not remove as much as the limit")
		}
		if n := allowed(); n != 3 {
			t.Errorf("%d removals after a pass, want 3", n)
		}
	})
}
