package client

import (
	"slices"
	"strings"

	"lockstep/reconcile/tree"
)

// spell gives what the replica lists the source's names, where it stands for
// entries that are spelled otherwise there, as the local replica does.
func (c *comparison) spell(have []theirs) {
	if c.r.traits.Names.Plain() {
		return
	}
	listed := make([]string, len(have))
	for i, h := range have {
		listed[i] = h.entry.Name
	}
	c.spelling = c.r.traits.Spell(c.s.Entries, listed, func(asked []string) []tree.Found {
		paths := make([]tree.Path, len(asked))
		for i, name := range asked {
			paths[i] = c.s.Path.Join(name)
		}
		return c.r.Look(c.ctx, paths)
	})
	if len(c.spelling.Stands) == 0 {
		return
	}
	for i := range have {
		if name, ok := c.spelling.Stands[have[i].entry.Name]; ok {
			have[i].entry.Name = name
		}
	}
	slices.SortFunc(have, func(a, b theirs) int { return strings.Compare(a.entry.Name, b.entry.Name) })
}
