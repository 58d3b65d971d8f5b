package tree_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/reconcile/tree"
)

func TestFoldName(t *testing.T) {
	for _, alike := range [][]string{
		{"a", "A"},
		{"\u00e9", "\u00c9", "e\u0301", "E\u0301"},
		{"K", "k", "\u212a"}, // the sign of kelvin
		{"σ", "Σ", "ς"},
		{"\xff\xe9A", "\xff\xe9a"},
		{"Straße", "STRAẞE"},
	} {
		for _, name := range alike {
			if got, want := tree.FoldName(name), tree.FoldName(alike[0]); got != want {
				t.Errorf("%q folds to %q, %q to %q", name, got, alike[0], want)
			}
		}
	}
	for _, pair := range [][2]string{{"a", "b"}, {"e", "é"}, {"\xff", "\xfe"}, {"\xff", "\ufffd"}, {"", "a"}} {
		if tree.FoldName(pair[0]) == tree.FoldName(pair[1]) {
			t.Errorf("%q and %q fold to the same", pair[0], pair[1])
		}
	}
}

// Scenarios: N11.
func TestNamesCheck(t *testing.T) {
	windows := tree.Names{Refused: tree.WindowsRefused, NoDotEnd: true, NoSpaceEnd: true, NoDevices: true, UTF8: true, Longest: 8}
	for name, taken := range map[string]bool{
		"a": true, "a.b": true, ".a": true, " a": true, "CONS": true, "é": true, "COM10": true, "12345678": true,
		"a:b": false, "\x01": false, "a\\b": false, "a|": false, "a.": false, "a ": false, "CON": false, "con.txt": false,
		"Lpt1 .x": false, "\xff": false, "123456789": false,
	} {
		err := windows.Check(name)
		if taken != (err == nil) || err != nil && !errors.Is(err, tree.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if err := (tree.Names{}).Check(name); err != nil {
			t.Errorf("%q on a native file system: %v", name, err)
		}
	}
}

func TestNamesGives(t *testing.T) {
	lowers, decomposes := tree.Names{Folds: true, LosesCase: true}, tree.Names{Folds: true, LosesForm: true}
	for _, c := range []struct {
		names        tree.Names
		listed, name string
		want         bool
	}{
		{tree.Names{Folds: true}, "a", "a", true},
		{tree.Names{Folds: true}, "a", "A", false},
		{lowers, "a", "A", true},
		{lowers, "b", "A", false},
		{lowers, "e\u0301", "\u00e9", false},
		{decomposes, "e\u0301", "\u00e9", true},
		{decomposes, "E\u0301", "\u00e9", false},
	} {
		if got := c.names.Gives(c.listed, c.name); got != c.want {
			t.Errorf("%+v gives %q for %q: %v", c.names, c.listed, c.name, got)
		}
	}
}

// Scenarios: N8, N9, N10.
func TestSpell(t *testing.T) {
	full := tree.Full()
	for _, c := range []struct {
		about        string
		names        tree.Names
		source, have string // names; a trailing @ marks a socket
		exact        bool   // the replica tells names apart, whatever its traits say
		want         tree.Spelling
		twins        string
	}{
		{about: "native", source: "A a", have: "a"},
		{about: "equal", names: tree.Names{Folds: true}, source: "A b", have: "A b"},
		{about: "nothing there", names: tree.Names{Folds: true}, source: "A a", have: ""},
		{about: "missing", names: tree.Names{Folds: true}, source: "A b", have: "b"},
		{about: "another case", names: tree.Names{Folds: true}, source: "A b", have: "a b",
			want: tree.Spelling{Stands: map[string]string{"a": "A"}, Misspelled: map[string]string{"A": "a"}}},
		{about: "lost case", names: tree.Names{Folds: true, LosesCase: true}, source: "A b", have: "a b",
			want: tree.Spelling{Stands: map[string]string{"a": "A"}}},
		{about: "twins", names: tree.Names{Folds: true}, source: "A a", have: "A", twins: "a"},
		{about: "a new winner", names: tree.Names{Folds: true}, source: "A a", have: "a", twins: "a",
			want: tree.Spelling{Stands: map[string]string{"a": "A"}, Misspelled: map[string]string{"A": "a"}}},
		{about: "three", names: tree.Names{Folds: true, LosesCase: true}, source: "AA Aa aA", have: "aa", twins: "Aa aA",
			want: tree.Spelling{Stands: map[string]string{"aa": "AA"}}},
		{about: "a twin that is not held", names: tree.Names{Folds: true}, source: "A@ a", have: "a"},
		{about: "told apart", names: tree.Names{Folds: true}, source: "A a", have: "a", exact: true},
		{about: "additional", names: tree.Names{Folds: true}, source: "b", have: "A b"},
	} {
		var listed []string
		listed = append(listed, strings.Fields(c.have)...)
		var entries []tree.Entry
		for _, name := range strings.Fields(c.source) {
			e := tree.Entry{Name: name, Kind: tree.File}
			if kept, ok := strings.CutSuffix(name, "@"); ok {
				e = tree.Entry{Name: kept, Kind: tree.Socket}
			}
			entries = append(entries, e)
		}
		look := func(names []string) []tree.Found {
			found := make([]tree.Found, len(names))
			for i, name := range names {
				same := func(other string) bool { return !c.exact && strings.EqualFold(name, other) || name == other }
				if slices.ContainsFunc(listed, same) {
					found[i].Entry = tree.Entry{Name: name, Kind: tree.File}
				}
			}
			return found
		}
		traits := full
		traits.Names = c.names
		got := traits.Spell(entries, listed, look)
		var twins []string
		for name, err := range got.Unplaced {
			if !errors.Is(err, tree.ErrTwin) || !tree.IsUnplaced(err) {
				t.Errorf("%s: %q: %v", c.about, name, err)
			}
			twins = append(twins, name)
		}
		slices.Sort(twins)
		if strings.Join(twins, " ") != c.twins {
			t.Errorf("%s: twins are %v, not %v", c.about, twins, c.twins)
		}
		got.Unplaced = nil
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (want -, got +):\n%s", c.about, d)
		}
	}
}

func TestProjectFixedModes(t *testing.T) {
	traits := tree.Full()
	traits.Fixed, traits.FileMode, traits.FolderMode = true, 0o666, 0o777
	for _, c := range []struct {
		kind tree.Kind
		mode uint32
		want uint32
		lost tree.Attributes
	}{
		{tree.File, 0o600, 0o666, tree.OfMode}, {tree.File, 0o666, 0o666, 0},
		{tree.Folder, 0o666, 0o777, tree.OfMode}, {tree.Symlink, 0o777, 0o777, 0},
	} {
		want, lost := traits.Project(tree.Entry{Kind: c.kind, Mode: c.mode})
		if want.Mode != c.want || lost != c.lost {
			t.Errorf("%v of mode %#o: %#o, lost %v", c.kind, c.mode, want.Mode, lost)
		}
	}
}

func TestProjectTimes(t *testing.T) {
	bound := tree.Full()
	bound.Earliest, bound.Latest = -1<<31, 1<<31-1
	coarse := bound
	coarse.TimeStep = 2e9
	for _, c := range []struct {
		traits   tree.Traits
		at, want tree.Time
	}{
		{tree.Full(), tree.Time{Sec: -1 << 40, Nsec: 5}, tree.Time{Sec: -1 << 40, Nsec: 5}},
		{bound, tree.Time{Sec: -1 << 40, Nsec: 5}, tree.Time{Sec: -1 << 31}},
		{bound, tree.Time{Sec: -1 << 31, Nsec: 5}, tree.Time{Sec: -1 << 31}},
		{bound, tree.Time{Sec: -1<<31 + 1, Nsec: 5}, tree.Time{Sec: -1<<31 + 1, Nsec: 5}},
		{bound, tree.Time{Sec: 1<<31 - 1, Nsec: 5}, tree.Time{Sec: 1<<31 - 1}},
		{bound, tree.Time{Sec: 1 << 31}, tree.Time{Sec: 1<<31 - 1}},
		{coarse, tree.Time{Sec: 1<<31 - 2, Nsec: 5}, tree.Time{Sec: 1<<31 - 2}},
	} {
		want, lost := c.traits.Project(tree.Entry{Kind: tree.File, ModTime: c.at})
		if want.ModTime != c.want || lost.Has(tree.OfModTime) != (c.at != c.want) {
			t.Errorf("%v: %v, lost %v", c.at, want.ModTime, lost)
		}
	}
}
