package watcher

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Between two looks exactly the names are reported that came, went, or changed.
func TestCompareReportsTheDifference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		listing := func(label string) map[string]uint64 {
			return rapid.MapOf(rapid.StringMatching("[a-c]{1,3}"), rapid.Uint64Range(0, 3)).Draw(rt, label)
		}
		r := newRun(New(t.TempDir(), Defaults()), newRecorder())
		r.ready = true
		f := &folder{path: "", care: overLimit}
		r.tree.insert(f)
		looks := []map[string]uint64{{}, listing("first"), listing("second"), listing("third")}
		for i, next := range looks[1:] {
			want := []string{}
			for name, sum := range next {
				if old, ok := looks[i][name]; !ok || old != sum {
					want = append(want, name)
				}
			}
			for name := range looks[i] {
				if _, ok := next[name]; !ok {
					want = append(want, name)
				}
			}
			slices.Sort(want)
			r.found = []string{}
			if !r.compare(f, entriesOf(next), item{by: Polled}) {
				rt.Fatal("the listing is not whole")
			}
			if diff := gocmp.Diff(want, r.found); diff != "" {
				rt.Fatalf("look %d: -want +got\n%s", i, diff)
			}
		}
	})
}

func entriesOf(listing map[string]uint64) []entry {
	entries := []entry{}
	for name, sum := range listing {
		entries = append(entries, entry{name: name, sum: sum})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries
}

// What was forgotten leaves no trace in the bookkeeping.
func TestForgetLeavesNothing(t *testing.T) {
	tree := newFolders()
	var nodes []*folder
	for i, path := range []string{"", "a", "a/b", "a/b/c", "a/d", "e", "e/f"} {
		f := &folder{path: path, id: identity{1, uint64(i)}, care: care(i % int(careCount))}
		tree.insert(f)
		nodes = append(nodes, f)
	}
	if got := tree.forget(nodes[1]); len(got) != 4 || got[3] != nodes[1] {
		t.Errorf("forgot %d folders, want 4 and the upper one last", len(got))
	}
	if len(tree.byPath) != 3 || len(tree.byID) != 3 {
		t.Errorf("%d paths and %d identities left, want 3", len(tree.byPath), len(tree.byID))
	}
	tree.forget(nodes[0])
	if len(tree.byPath)+len(tree.byID)+len(tree.polled) != 0 || tree.counts != [careCount]int{} {
		t.Errorf("left: %+v", tree)
	}
}
