package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

func linkedFile(inode uint64, names uint32) tree.Entry {
	return tree.Entry{Kind: tree.File, ID: tree.ID{Dev: 1, Ino: inode}, Links: names}
}

func wantNames(t *testing.T, l *links, inode uint64, want ...tree.Path) {
	t.Helper()
	if got := l.names(tree.ID{Dev: 1, Ino: inode}); !slices.Equal(got, want) {
		t.Errorf("names of %d: %q, want %q", inode, got, want)
	}
}

func TestLinksKnowNamesInOrder(t *testing.T) {
	l := newLinks()
	for _, path := range []tree.Path{"b", "a/z", "a", "b"} {
		l.see(path, linkedFile(1, 3))
	}
	l.see("single", linkedFile(2, 1))
	l.see("folder", tree.Entry{Kind: tree.Folder, Links: 5, ID: tree.ID{Dev: 1, Ino: 3}})
	wantNames(t, l, 1, "a", "a/z", "b")
	wantNames(t, l, 2)
	wantNames(t, l, 3)
}

func TestLinksTellWhoIsLeftBehind(t *testing.T) {
	for name, now := range map[string]tree.Entry{
		"gone": {}, "another group": linkedFile(2, 2), "single now": linkedFile(1, 1), "folder": {Kind: tree.Folder, Links: 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLinks()
			l.see("a", linkedFile(1, 2))
			l.see("b", linkedFile(1, 2))
			if left, ok := l.see("a", linkedFile(1, 2)); ok {
				t.Errorf("%q is left by a name that stayed", left)
			}
			if left, ok := l.see("a", now); !ok || left != "b" {
				t.Errorf("left: %q, %v", left, ok)
			}
			wantNames(t, l, 1, "b")
			if left, ok := l.see("b", tree.Entry{}); ok {
				t.Errorf("%q is left by the last one", left)
			}
			wantNames(t, l, 1)
		})
	}
}

func TestLinksForgetWhatAPassDidNotSee(t *testing.T) {
	l := newLinks()
	l.see("old", linkedFile(1, 2))
	l.see("both", linkedFile(1, 2))
	l.nextAge()
	l.see("both", linkedFile(1, 2))
	l.see("new", linkedFile(1, 2))
	l.forgetOlder()
	wantNames(t, l, 1, "both", "new")
	l.nextAge()
	l.forgetOlder()
	if len(l.byID)+len(l.byPath) > 0 {
		t.Errorf("remembers %v", l.byPath)
	}
}

// What somebody vouched for holds until the path is a name of another file, and
// goes along with a folder.
func TestLinksVouchedFor(t *testing.T) {
	all := func(l *links, paths ...tree.Path) (sure []tree.Path) {
		for _, path := range paths {
			if l.sure(path) {
				sure = append(sure, path)
			}
		}
		return sure
	}
	l := newLinks()
	paths := []tree.Path{"a/1", "a/sub/2", "a/3", "a/4", "b/5"}
	for _, path := range paths {
		l.see(path, linkedFile(1, 5))
	}
	if sure := all(l, paths...); sure != nil {
		t.Errorf("nobody vouched for %q", sure)
	}
	for _, path := range paths {
		l.vouch(path, linkedFile(2, 1).ID)
	}
	if sure := all(l, paths...); sure != nil {
		t.Errorf("of %q it was said of another file", sure)
	}
	for _, path := range paths {
		l.vouch(path, linkedFile(1, 5).ID)
		l.see(path, linkedFile(1, 5))
	}
	l.vouch("never seen", linkedFile(1, 5).ID)
	l.see("a/3", linkedFile(2, 2))
	for range 2 {
		l.see("a/4", tree.Entry{})
	}
	if sure := all(l, append(paths, "never seen")...); !slices.Equal(sure, []tree.Path{"a/1", "a/sub/2", "b/5"}) {
		t.Errorf("sure of %q", sure)
	}
	wantNames(t, l, 1, "a/1", "a/sub/2", "b/5")

	l.see("c/old", linkedFile(1, 5))
	l.leave("a")
	wantNames(t, l, 1, "b/5", "c/old")
	l.renamed("a", "c")
	wantNames(t, l, 1, "b/5", "c/1", "c/4", "c/sub/2")
	wantNames(t, l, 2, "c/3")
	for _, path := range []tree.Path{"c/1", "c/3", "c/4"} {
		l.see(path, linkedFile(1, 5))
	}
	if sure := all(l, "c/1", "c/sub/2", "c/3", "c/4", "c/old"); !slices.Equal(sure, []tree.Path{"c/1", "c/sub/2", "c/4"}) {
		t.Errorf("after a rename, sure of %q", sure)
	}
	l.leave("c")
	l.nextAge()
	l.forgetOlder()
	if l.renamed("c", "d"); len(l.byPath) > 0 || len(l.lost) > 0 {
		t.Errorf("remembers %v, %v", l.byPath, l.lost)
	}
}

// Whatever is seen and goes, the names below each folder are counted as they are.
func TestLinksBelowFolders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLinks()
		folder := rapid.SampledFrom([]tree.Path{"a", "b", "a/b", "c"})
		path := rapid.Custom(func(t *rapid.T) tree.Path {
			return folder.Draw(t, "folder").Join(rapid.SampledFrom([]string{"b", "f", "g"}).Draw(t, "name"))
		})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0:
				l.leave(folder.Draw(t, "gone"))
			case 1:
				l.renamed(folder.Draw(t, "from"), folder.Draw(t, "to"))
			case 2:
				l.nextAge()
				l.forgetOlder()
			case 3:
				l.see(path.Draw(t, "path"), tree.Entry{})
			default:
				l.see(path.Draw(t, "path"), linkedFile(uint64(rapid.IntRange(1, 2).Draw(t, "file")), 2))
			}
			below := map[tree.Path]int{}
			for name := range l.byPath {
				for name != tree.Root {
					name = name.Parent()
					below[name]++
				}
			}
			if !maps.Equal(l.below, below) {
				t.Fatalf("counted %v, but there are %v", l.below, below)
			}
		}
	})
}

// Of names that went, only so many are remembered.
func TestLinksLostAreFew(t *testing.T) {
	l := newLinks()
	for i := range maxLost + 10 {
		path := tree.Path(fmt.Sprint(i))
		l.see(path, linkedFile(1, 2))
		l.see(path, tree.Entry{})
	}
	if n := len(l.lost); n != 10 {
		t.Errorf("%d are remembered", n)
	}
}

func TestCompleteLinksSearchesTheSource(t *testing.T) {
	source := treetest.NewSource()
	source.AddFolder("far")
	source.AddFolder("far/away")
	source.File("file", "content")
	source.Link("file", "beside")
	source.Link("file", "far/away/name")
	m := New(source, traitsOnly{}, Options{})
	e := source.Entry("file")
	m.completeLinks(context.Background(), "file", e, &nearby{})
	if got := m.links.names(e.ID); !slices.Equal(got, []tree.Path{"beside", "far/away/name", "file"}) {
		t.Errorf("names %q", got)
	}
}

// opened counts how often folders of a source are opened.
type opened struct {
	tree.Source
	folders int
}

func (o *opened) Folder(path tree.Path) (tree.SourceFolder, error) {
	o.folders++
	return o.Source.Folder(path)
}

// A folder with many files that have names outside of the source is not listed
// once for each of them.
func TestCompleteLinksListsAFolderOnce(t *testing.T) {
	source := treetest.NewSource()
	source.AddFolder("many")
	name := func(i int) tree.Path { return tree.Path(fmt.Sprint("many/", i)) }
	const files = 100
	for i := range files {
		source.File(name(i), "content")
		source.Change(name(i), func(e *tree.Entry, _ *string) { e.Links = 2 })
	}
	o := &opened{Source: source}
	m := New(o, traitsOnly{}, Options{})
	var near nearby
	for i := range files {
		m.completeLinks(t.Context(), name(i), source.Entry(name(i)), &near)
	}
	if most := 3; o.folders > most { // it alone, and the search through all
		t.Errorf("%d folders were listed", o.folders)
	}
	source.Change(name(0), func(e *tree.Entry, _ *string) { e.Links = 3 })
	e := source.Entry(name(0))
	e.ChangeTime = tree.TimeOf(time.Now())
	o.folders = 0
	if m.completeLinks(t.Context(), name(0), e, &near); o.folders == 0 {
		t.Error("no folder was listed for a file that changed")
	}
}

// traitsOnly is a replica that only says what it can hold.
type traitsOnly struct{ tree.Replica }

func (traitsOnly) Traits() tree.Traits { return tree.Full() }

// misLinked decides by nothing but which names are one file on which side.
func TestMisLinked(t *testing.T) {
	type name struct {
		path            tree.Path
		source, replica uint64
		replicaLinks    uint32
	}
	for what, c := range map[string]struct {
		names []name
		bad   []tree.Path
	}{
		"nothing":                           {},
		"equal groups":                      {names: []name{{"a", 1, 7, 2}, {"b", 1, 7, 2}, {"c", 2, 8, 2}, {"d", 2, 8, 2}}},
		"parted":                            {[]name{{"a", 1, 7, 1}, {"b", 1, 8, 1}}, []tree.Path{"a", "b"}},
		"planted together":                  {[]name{{"a", 1, 7, 2}, {"b", 2, 7, 2}}, []tree.Path{"a", "b"}},
		"a name outside":                    {[]name{{"a", 1, 7, 3}, {"b", 1, 7, 3}}, []tree.Path{"a", "b"}},
		"a name outside since a was seen":   {[]name{{"a", 1, 7, 2}, {"b", 1, 7, 3}}, []tree.Path{"a", "b"}},
		"an outside name of a":              {[]name{{"a", 1, 7, 2}}, []tree.Path{"a"}},
		"linked outside in the source only": {names: []name{{"a", 1, 7, 1}}},
		"one group steals from the other": {
			[]name{{"a", 1, 7, 2}, {"b", 1, 8, 2}, {"c", 2, 8, 2}, {"d", 3, 9, 1}}, []tree.Path{"a", "b", "c"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			var all []linkedPath
			for _, n := range c.names {
				all = append(all, linkedPath{path: n.path, Linked: tree.Linked{
					Source: tree.ID{Ino: n.source}, Replica: tree.ID{Ino: n.replica}, ReplicaLinks: n.replicaLinks,
				}})
			}
			var got []tree.Path
			for _, l := range (&pass{}).misLinked(all) {
				got = append(got, l.path)
			}
			if !slices.Equal(got, c.bad) {
				t.Errorf("%q, want %q", got, c.bad)
			}
		})
	}
}

// TestFirstName: whatever comes and goes, the first name is that of all in order.
func TestFirstName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLinks()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			path := tree.Path(rapid.StringMatching("[a-z]").Draw(t, "path"))
			e := rapid.SampledFrom([]tree.Entry{{}, linkedFile(1, 30), linkedFile(1, 30), linkedFile(2, 30), linkedFile(3, 1)}).Draw(t, "entry")
			l.see(path, e)
			for inode := range uint64(3) {
				id := tree.ID{Dev: 1, Ino: inode}
				names := l.names(id)
				first, ok := l.first(id)
				if ok != (len(names) > 0) || ok && first != names[0] || l.known(id) != len(names) {
					t.Fatalf("the first of %q is %q", names, first)
				}
			}
		}
	})
}
