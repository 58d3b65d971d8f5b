package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// linkAlike writes files that look all the same, one for each group of names.
func linkAlike(t *testing.T, r *rig, groups ...[]string) {
	t.Helper()
	then := time.Unix(1_000_000_000, 123456789)
	for _, names := range groups {
		r.write(names[0], "content")
		must(t, os.Chtimes(r.in(names[0]), then, then))
		for _, name := range names[1:] {
			must(t, os.MkdirAll(filepath.Dir(r.in(name)), 0o755))
			must(t, os.Link(r.in(names[0]), r.in(name)))
		}
	}
}

// below returns the names with a folder before each.
func below(folder string, groups [][]string) (all [][]string, paths []string) {
	for _, names := range groups {
		var group []string
		for _, name := range names {
			group = append(group, folder+"/"+name)
		}
		all, paths = append(all, group), append(paths, group...)
	}
	return all, paths
}

// regroupings are how names belong together first and then.
var regroupings = map[string][2][][]string{
	"two and two":        {{{"1", "2"}, {"3", "4"}}, {{"1", "3"}, {"2", "4"}}},
	"one goes":           {{{"1", "2", "3"}, {"4", "5"}}, {{"1", "3"}, {"2", "4", "5"}}},
	"three into three":   {{{"1", "2", "3"}, {"4", "5", "6"}, {"7", "8", "9"}}, {{"1", "4", "7"}, {"2", "5", "8"}, {"3", "6", "9"}}},
	"in other folders":   {{{"p/1", "q/2"}, {"p/3", "q/4"}}, {{"p/1", "p/3"}, {"q/2", "q/4"}}},
	"more of them":       {{{"1", "2"}}, {{"1", "3"}, {"2", "4"}}},
	"the same as before": {{{"1", "2"}, {"3", "4"}}, {{"1", "2"}, {"3", "4"}}},
}

// Files that look alike may change their names among each other.
//
// Scenarios: L7.
func TestLinksRegrouped(t *testing.T) {
	for name, c := range regroupings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setUp(t, reconcile.Options{})
			first, old := below("a", c[0])
			then, paths := below("a", c[1])
			linkAlike(t, r, first...)
			r.served(func(ctx context.Context) {
				for _, name := range old {
					must(t, os.Remove(r.in(name)))
				}
				linkAlike(t, r, then...)
				r.dirty(ctx, append(old, paths...)...)
				r.wantEqual("after events")
				r.wantProof(ctx)
			})
		})
	}
}

// A new folder may look like one that went, down to the files in it, and have
// its names grouped otherwise.
//
// Scenarios: L7.
func TestLinksOfAGuessedRename(t *testing.T) {
	for name, c := range regroupings {
		for _, told := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, told of what went: %v", name, told), func(t *testing.T) {
				t.Parallel()
				r := setUp(t, reconcile.Options{Patience: 200 * time.Millisecond})
				first, old := below("a", c[0])
				then, paths := below("b", c[1])
				linkAlike(t, r, first...)
				stamp := time.Unix(1_000_000_000, 0)
				must(t, os.Chtimes(r.in("a"), stamp, stamp))
				r.served(func(ctx context.Context) {
					must(t, os.RemoveAll(r.in("a")))
					linkAlike(t, r, then...)
					must(t, os.Chtimes(r.in("b"), stamp, stamp))
					dirty := append([]string{"a", "b"}, paths...)
					if told {
						dirty = append(old, dirty...)
					}
					r.dirty(ctx, dirty...)
					r.wantEqual("after events")
					r.wantProof(ctx)
				})
			})
		}
	}
}

// What is certain is not made anew: folders with names of the same files are
// renamed, whatever was told before of what is in them.
//
// Scenarios: L7.
func TestLinksOfTwoRenames(t *testing.T) {
	for name, told := range map[string][]string{
		"folders alone": {"p", "r", "q", "s", "q/1", "q/2", "q/sub", "q/sub/3", "s/1", "s/2"},
		"names first":   {"p/1", "p/sub/3", "r/2", "s/2", "s/1", "s", "q/2", "q/1", "q/sub/3", "q/sub", "q", "r", "p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setUp(t, reconcile.Options{Patience: 200 * time.Millisecond})
			linkAlike(t, r, []string{"p/1", "p/2", "r/1"}, []string{"p/sub/3", "r/2", "stays"})
			for i, folder := range []string{"p", "r"} { // or one could be taken for the other
				must(t, os.Chtimes(r.in(folder), time.Time{}, time.Unix(1_000_000_000+int64(i), 0)))
			}
			r.served(func(ctx context.Context) {
				must(t, os.Rename(r.in("p"), r.in("q")))
				must(t, os.Rename(r.in("r"), r.in("s")))
				r.dirty(ctx, told...)
				r.did(renamed("p", "q"), renamed("r", "s"))
				r.wantEqual("after events")
				r.wantProof(ctx)
			})
		})
	}
}

// meddler does something while several paths are looked at, once: before the
// last of them.
type meddler struct {
	tree.Replica
	once   sync.Once
	paths  []tree.Path
	meddle func()
}

func (m *meddler) Look(ctx context.Context, paths []tree.Path) []tree.Found {
	if !slices.Equal(paths, m.paths) {
		return m.Replica.Look(ctx, paths)
	}
	last := len(paths) - 1
	found := m.Replica.Look(ctx, paths[:last])
	m.once.Do(m.meddle)
	return append(found, m.Replica.Look(ctx, paths[last:])...)
}

// In the replica, one name may leave a file that belongs to another path as
// well, and another name may become one of it, while they are looked at.
//
// Scenarios: L7.
func TestLinksRegroupedWhileLookedAt(t *testing.T) {
	t.Parallel()
	r := setUp(t, reconcile.Options{})
	linkAlike(t, r, []string{"a/1", "a/2", "a/3"}, []string{"x"})
	r.once()
	info, err := os.Stat(r.at("a/1"))
	must(t, err)
	apart := func(name string) {
		must(t, os.Remove(r.at(name)))
		put(t, r.at(name), "content")
		must(t, os.Chtimes(r.at(name), info.ModTime(), info.ModTime()))
	}
	together := func(name string) {
		must(t, os.Remove(r.at(name)))
		must(t, os.Link(r.at("a/1"), r.at(name)))
	}
	apart("a/3")
	together("x")
	met := false
	r.dst = &meddler{Replica: r.dst, paths: []tree.Path{"a/1", "a/2", "a/3"}, meddle: func() {
		met = true
		apart("a/2")
		together("a/3")
	}}
	r.renew()
	r.serve(func(ctx context.Context) {
		r.dirty(ctx, "a/1", "a", "")
		if !met {
			t.Error("the names were not looked at")
		}
		r.wantEqual("after events")
	})
}
