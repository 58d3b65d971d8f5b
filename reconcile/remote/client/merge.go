package client

import (
	"errors"
	"io/fs"

	"lockstep/reconcile/tree"
)

// merge goes through both sorted lists, as the local replica does.
func (c *comparison) merge(have []theirs) error {
	entries := c.s.Entries
	c.spell(have)
	if len(have) == 0 { // all of them differ
		c.out.Drift = make([]tree.Drift, 0, len(entries))
	}
	for i := 0; i < len(entries) || len(have) > 0; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		switch {
		case i == len(entries) || len(have) > 0 && have[0].entry.Name < entries[i].Name:
			c.additional(have[0])
			have = have[1:]
		case len(have) == 0 || entries[i].Name < have[0].entry.Name:
			c.missing(i)
			i++
		default:
			c.both(i, have[0])
			have = have[1:]
			i++
		}
	}
	return nil
}

func (c *comparison) drift(differs tree.Attributes, want, have tree.Entry) {
	if differs != 0 {
		c.out.Drift = append(c.out.Drift, tree.Drift{Differs: differs, Want: want, Have: have})
	}
}

func (c *comparison) problem(name string, err error) {
	c.out.Problems = append(c.out.Problems, tree.Problem{Name: name, Err: err})
}

func (c *comparison) additional(h theirs) {
	if h.err != nil && h.entry.Kind == tree.Absent {
		c.problem(h.entry.Name, h.err)
		return
	}
	c.drift(tree.OfExistence, tree.Entry{Name: h.entry.Name}, h.entry)
}

// missing is about entry i, which only the source has: its list will do.
func (c *comparison) missing(i int) {
	if err := c.spelling.Unplaced[c.s.Entries[i].Name]; err != nil {
		c.problem(c.s.Entries[i].Name, err)
		return
	}
	m := c.see(i)
	switch {
	case m.err != nil:
		c.sourceError(m, theirs{entry: tree.Entry{Name: m.want.Name}})
	case m.want.Kind != tree.Absent:
		c.drift(tree.OfExistence, m.want, tree.Entry{Name: m.want.Name})
	}
}

// see looks at entry i if nobody did; whether it can be read does not matter.
func (c *comparison) see(i int) *mine {
	m, e := &c.mine[i], &c.s.Entries[i]
	m.err = nil
	if e.Bare() {
		seen, err := c.s.Folder.Listed(e.Name)
		if err == nil && seen.Kind != tree.File {
			err = tree.ErrChanged
		}
		if m.err = err; err == nil {
			*e = seen
		}
	}
	m.want = *e
	c.project(m)
	return m
}

// both is about entry i, of which the replica has the name.
func (c *comparison) both(i int, h theirs) {
	if as, ok := c.spelling.Misspelled[c.s.Entries[i].Name]; ok {
		m := c.see(i)
		if m.err != nil {
			c.sourceError(m, h)
			return
		}
		h.entry.Name = as
		c.drift(tree.OfName, m.want, h.entry)
		return
	}
	m := c.read(i, func(e *tree.Entry) bool { return h.entry.Kind == tree.File && h.entry.Size == e.Size && h.err == nil })
	c.room.short.Flush()
	switch {
	case m.err != nil:
		c.sourceError(m, h)
	case h.err != nil:
		c.replicaError(m, h)
	case m.want.Kind == tree.Folder && h.entry.Kind == tree.Folder && h.entry.Mounted:
		// To compare what is in it says so.
	case m.changed:
		c.drift(c.r.traits.Differ(m.want, h.entry)|tree.OfContent, m.want, h.entry)
	case m.hashed && h.entry.Kind == tree.File && m.want.Size == h.entry.Size && m.digest != h.digest:
		c.drift(c.r.traits.Differ(m.want, h.entry)|tree.OfContent, m.want, h.entry)
	default:
		c.settle(i, m.want, h.entry, m.digest)
	}
}

// settle notes how want and have differ, and the leaf where the content is the
// same.
func (c *comparison) settle(i int, want, have tree.Entry, content tree.Digest) {
	differs := c.r.traits.Differ(want, have)
	if differs&(tree.OfContent|tree.OfKind|tree.OfExistence) == 0 && want.Kind != tree.Folder && want.Kind != tree.Absent {
		c.out.Leaves[i] = c.r.traits.LeafDigest(want, content)
	}
	c.drift(differs, want, have)
	if l, ok := c.r.traits.Pair(want, have); ok {
		c.out.Linked = append(c.out.Linked, l)
	}
}

// sourceError is about an entry that cannot be read now. What is gone or
// something else by now is to be looked at again.
func (c *comparison) sourceError(m *mine, h theirs) {
	if !errors.Is(m.err, fs.ErrNotExist) && !errors.Is(m.err, tree.ErrChanged) {
		c.problem(h.entry.Name, m.err)
		return
	}
	c.drift(tree.OfContent, m.want, h.entry)
}

// replicaError is about an entry that the server could not read.
func (c *comparison) replicaError(m *mine, h theirs) {
	differs := c.r.traits.Differ(m.want, h.entry)
	switch {
	case h.entry.Kind == tree.Absent && !errors.Is(h.err, tree.ErrConflict):
		c.problem(h.entry.Name, h.err)
	case errors.Is(h.err, tree.ErrConflict) || differs != 0 && h.entry.Kind == tree.File && m.want.Kind == tree.File:
		// Not the same any more, or a file that a new version can replace unread.
		c.drift(differs|tree.OfContent, m.want, h.entry)
	default:
		c.problem(h.entry.Name, h.err)
	}
}
