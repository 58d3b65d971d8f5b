package treetest

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"lockstep/reconcile/tree"
)

// testCompareCached is about what must not be taken for unchanged: the traces
// that a change leaves are few, and comparisons come right before and after it.
// What the cache keeps of versions this young is up to the replica.
func testCompareCached(g *rig) {
	stamp := ModTime.Time()
	overwrite := func(path string) error {
		return errors.Join(os.WriteFile(path, []byte("Content"), 0), os.Chtimes(path, stamp, stamp))
	}
	changes := map[tree.Path]struct {
		do      func(path tree.Path) error
		differs tree.Attributes
	}{
		"replica's content, size and time restored": {func(path tree.Path) error { return overwrite(g.peek.At(path)) }, tree.OfContent},
		"another file renamed over the replica's": {func(path tree.Path) error {
			other := g.peek.At(path + " other")
			return errors.Join(os.WriteFile(other, nil, 0o644), os.Chmod(other, 0o644), overwrite(other), os.Rename(other, g.peek.At(path)))
		}, tree.OfContent},
		"source's content, size and time restored": {func(path tree.Path) error {
			g.s.Change(path, func(_ *tree.Entry, content *string) { *content = "Content" })
			return nil
		}, tree.OfContent},
		"another file in the place of the source's": {func(path tree.Path) error { g.s.File(path, "Content"); return nil }, tree.OfContent},
		"the source's time": {func(path tree.Path) error {
			g.s.Change(path, func(e *tree.Entry, _ *string) { e.ModTime.Sec++ })
			return nil
		}, tree.OfModTime},
		"the replica's mode": {func(path tree.Path) error { return os.Chmod(g.peek.At(path), 0o600) }, tree.OfMode},
	}
	g.s.File("nothing", "content")
	for path := range changes {
		g.s.File(path, "content")
	}
	g.mirror()
	for range 2 {
		if c := g.cached(); len(c.Drift) > 0 || len(c.Problems) > 0 {
			g.Fatalf("nothing changed: %+v", c)
		}
	}
	g.tick()
	want := map[tree.Path]tree.Attributes{}
	for path, change := range changes {
		if err := change.do(path); err != nil {
			g.Fatal(path, err)
		}
		want[path] = change.differs
	}
	for range 2 {
		c, found := g.cached(), map[tree.Path]tree.Attributes{}
		for _, d := range c.Drift {
			found[tree.Path(d.Name())] = d.Differs
		}
		if !maps.Equal(found, want) {
			g.Errorf("differs: %v, want %v", found, want)
		}
		if again := g.compare(tree.Root); !slices.Equal(c.Leaves, again.Leaves) {
			g.Errorf("leaves by the cache %v, by content %v", c.Leaves, again.Leaves)
		}
	}
}

// cached compares the root by the cache.
func (g *rig) cached() tree.Comparison {
	g.Helper()
	s := g.subject(tree.Root)
	s.Method = tree.ByCache
	c, err := g.r.Compare(context.Background(), s)
	if err != nil {
		g.Fatal(err)
	}
	return c
}

// tick waits until the clock of file systems has moved on.
func (g *rig) tick() {
	g.Helper()
	path := g.TempDir() + "/clock"
	look := func() time.Time {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			g.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			g.Fatal(err)
		}
		return info.ModTime()
	}
	for began := look(); !look().After(began); {
	}
}
