package tree

import (
	"fmt"
	"slices"
)

// Spelling says how a replica calls the entries of one folder, as far as that
// is not what the source calls them. The zero Spelling says that it is.
type Spelling struct {
	// Stands has, for a name that the replica lists, the source's name that it
	// stands for.
	Stands map[string]string
	// Misspelled has, for a name of the source, the replica's, if that is to
	// be renamed.
	Misspelled map[string]string
	// Unplaced has the names of the source that the replica has no place for,
	// each with [ErrName], [ErrTwin] or why it is not known.
	Unplaced map[string]error
}

// Spell pairs the source's entries, sorted, with the names that the replica's
// folder lists, sorted. Of entries that are one name in the replica the first
// in order of bytes has it. look tells of each of some names whether it stands
// in the replica's folder, in whatever spelling.
func (t Traits) Spell(entries []Entry, listed []string, look func(names []string) []Found) Spelling {
	var s Spelling
	if t.Names.Plain() {
		return s
	}
	missing := t.unlisted(entries, listed)
	for _, name := range missing {
		if err := t.Names.Check(name); err != nil {
			put(&s.Unplaced, name, err)
		}
	}
	if !t.Names.Folds || len(missing) == 0 || len(listed) == 0 {
		return s
	}
	have := map[string][]string{}
	for _, name := range listed {
		key := FoldName(name)
		have[key] = append(have[key], name)
	}
	// Only where the source has a name that is not listed, and the replica
	// lists one like it, there is something to find out.
	doubtful := map[string][]string{}
	var asked []string
	for _, name := range missing {
		if key := FoldName(name); len(have[key]) > 0 && s.Unplaced[name] == nil {
			doubtful[key] = nil
			asked = append(asked, name)
		}
	}
	if len(asked) == 0 {
		return s
	}
	found := make(map[string]Found, len(asked))
	for i, f := range look(asked) {
		found[asked[i]] = f
	}
	for _, e := range entries {
		key := FoldName(e.Name)
		if wanted, ok := doubtful[key]; ok && t.holdsKind(e.Kind) && s.Unplaced[e.Name] == nil {
			doubtful[key] = append(wanted, e.Name)
		}
	}
	for key, wanted := range doubtful {
		s.pair(t.Names, wanted, have[key], found)
	}
	return s
}

// unlisted returns the names of what the replica could hold and does not list.
func (t Traits) unlisted(entries []Entry, listed []string) (names []string) {
	for _, e := range entries {
		for len(listed) > 0 && listed[0] < e.Name {
			listed = listed[1:]
		}
		if (len(listed) == 0 || listed[0] != e.Name) && t.holdsKind(e.Kind) {
			names = append(names, e.Name)
		}
	}
	return names
}

// pair gives each of the wanted names that stands one of those listed; all of
// them fold to the same.
func (s *Spelling) pair(n Names, wanted, listed []string, found map[string]Found) {
	owner := map[string]string{}
	for _, name := range wanted {
		as := name
		if !slices.Contains(listed, name) {
			f := found[name]
			switch {
			case f.Err != nil:
				put(&s.Unplaced, name, f.Err)
				continue
			case f.Entry.Kind == Absent:
				continue
			}
			as = nearest(name, wanted, listed)
		}
		if first, taken := owner[as]; taken {
			put(&s.Unplaced, name, TwinOf(first))
			continue
		}
		owner[as] = name
		if as == name {
			continue
		}
		put(&s.Stands, as, name)
		if !n.Gives(as, name) {
			put(&s.Misspelled, name, as)
		}
	}
}

// nearest returns which of the listed names an entry that answers to name has,
// rather one that is no name of the source.
func nearest(name string, wanted, listed []string) string {
	for _, as := range listed {
		if !slices.Contains(wanted, as) {
			return as
		}
	}
	return listed[0]
}

// put sets a value in a map that may be nil until then: most folders need none.
func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}

// TwinOf is [ErrTwin] for an entry whose name is the replica's for first.
func TwinOf(first string) error { return fmt.Errorf("%w: %q", ErrTwin, first) }
