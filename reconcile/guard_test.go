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
	g.told([]string{"a"})
	g.listed(tree.Root, locked)
	if !allowed(g) {
		t.Error("held although a watch told of one of so few names")
	}
	g = newGuard(Options{})
	g.listed(tree.Root, named("a", "b"))
	g.listed(tree.Root, locked)
	if !allowed(g) {
		t.Error("held for so few names")
	}
}

// An event at a name says that it may have gone, until somebody sees it there.
//
// Scenarios: G4.
func TestEmptiedUnseen(t *testing.T) {
	full := []tree.Entry{{Name: "a", Kind: tree.File}, {Name: "b", Kind: tree.Folder}}
	none := removal{path: "a", cause: ByPass, entries: 1}
	for about, c := range map[string]struct {
		before func(g *guard)
		held   bool
	}{
		"nothing":                      {func(g *guard) {}, true},
		"one name":                     {func(g *guard) { g.told([]string{"a"}) }, true},
		"what is in a folder":          {func(g *guard) { g.told([]string{"a", "b/c"}) }, true},
		"every name":                   {func(g *guard) { g.told([]string{"a", "b"}) }, false},
		"one by one":                   {func(g *guard) { g.told([]string{"b"}); g.told([]string{"a"}) }, false},
		"what may be every name":       {func(g *guard) { g.mayHaveTold() }, false},
		"a name that was seen again":   {func(g *guard) { g.told([]string{"a", "b"}); g.looked("a", true, true) }, true},
		"a name that was not there":    {func(g *guard) { g.told([]string{"b"}); g.looked("a", false, true) }, false},
		"a name that only a pass lost": {func(g *guard) { g.told([]string{"b"}); g.looked("a", false, false) }, true},
		"a new name that nobody lost":  {func(g *guard) { g.told([]string{"a", "b"}); g.looked("new", true, true) }, true},
	} {
		g := newGuard(Options{})
		g.listed(tree.Root, full)
		c.before(g)
		g.listed(tree.Root, nil)
		if ok, _ := g.allow(none); ok == c.held {
			t.Errorf("a watch told of %s: allowed is %v", about, ok)
		}
	}

	g := newGuard(Options{})
	g.listed(tree.Root, full)
	g.listed(tree.Root, nil)
	_, _ = g.allow(none)
	if c := g.told([]string{"a"}); len(c.released) > 0 {
		t.Errorf("released for one of two names: %+v", c)
	}
	if c := g.told([]string{"b"}); len(c.released) != 1 {
		t.Errorf("not released when it was seen after all: %+v", c)
	}
	if ok, _ := g.allow(none); !ok {
		t.Error("held although it was seen after all")
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
