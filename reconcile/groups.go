package reconcile

import (
	"context"
	"slices"

	"lockstep/reconcile/tree"
)

// linkedPath is one name of a file that has several on either side.
type linkedPath struct {
	path tree.Path
	tree.Linked
}

// settleLinks makes the names of a file belong together in the replica as they
// do in the source. It comes last: additional names are removed by then.
func (p *pass) settleLinks(ctx context.Context) error {
	all := p.linked
	if p.visit == nil {
		all = append(all, p.lookAgain(ctx, p.broughtNames())...)
	}
	linked, copies := p.withoutCopies(all)
	suspects := p.misLinked(linked)
	if p.visit == nil && len(suspects) > 0 {
		suspects = p.misLinked(p.lookAgain(ctx, suspects))
	}
	groups := make(linkGroups)
	inodes := make(map[tree.Path]inode, len(suspects))
	names := make(map[inode]uint32)
	for _, l := range suspects {
		groups.add(tree.Entry{ID: l.Source, Kind: l.Kind}, l.path)
		inodes[l.path] = inode{l.Source, l.Replica, l.ReplicaLinks}
		names[inodes[l.path]]++
	}
	for _, g := range groups.sorted() {
		for _, name := range g.names {
			p.mu.Lock()
			p.report.Drift++
			if p.visit != nil {
				e := tree.Entry{Name: name.Name(), Kind: g.kind}
				p.visit(name, tree.Drift{Differs: tree.OfLinks, Want: e, Have: e})
			}
			p.mu.Unlock()
		}
		if p.visit != nil {
			continue
		}
		// The first name gets a new inode if others share the one that it has,
		// and the other names become links to it.
		first := inodes[g.names[0]]
		if err := p.track(ctx, g.names[0], dirt{cause: ByPass, fresh: names[first] != first.links}, nil); err != nil {
			return err
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
		for _, name := range g.names[1:] {
			if err := p.track(ctx, name, dirt{cause: ByPass}, nil); err != nil {
				return err
			}
		}
	}
	if err := p.wait(ctx); err != nil {
		return err
	}
	if err := p.settleCopies(ctx, copies); err != nil {
		return err
	}
	p.countCopies(all)
	return nil
}

// inode is what the replica has for names of one file of the source.
type inode struct {
	source, replica tree.ID
	links           uint32
}

// settleLeft looks again at what was changed, maybe, through a name that went
// after its file was compared.
func (p *pass) settleLeft(ctx context.Context) error {
	for _, name := range p.left {
		p.follow(name, dirt{cause: ByPass}, nil, nil)
	}
	return p.wait(ctx)
}

// broughtNames returns those names of files with several in the source that
// the replica did not have when they were compared. What brought them over may
// not have known of the others yet.
func (p *pass) broughtNames() []linkedPath {
	compared := make(map[tree.Path]bool, len(p.linked))
	for _, l := range p.linked {
		compared[l.path] = true
	}
	var brought []linkedPath
	for id, g := range p.groups {
		for _, name := range g.names {
			if len(g.names) > 1 && !compared[name] {
				brought = append(brought, linkedPath{path: name, Linked: tree.Linked{Source: id, Kind: g.kind}})
			}
		}
	}
	return brought
}

// misLinked returns every name of those files whose names in the replica are
// not exactly the names that they have in the source.
func (p *pass) misLinked(all []linkedPath) []linkedPath {
	type group struct {
		names int
		bad   bool
	}
	groups := make(map[tree.ID]*group)
	replicaOf := make(map[tree.ID]tree.ID) // source -> replica
	sourceOf := make(map[tree.ID]tree.ID)  // replica -> source
	for _, l := range all {
		g := groups[l.Source]
		if g == nil {
			g = &group{}
			groups[l.Source] = g
			replicaOf[l.Source] = l.Replica
		}
		g.names++
		if replicaOf[l.Source] != l.Replica {
			g.bad = true
		}
		if other, known := sourceOf[l.Replica]; known && other != l.Source {
			g.bad, groups[other].bad = true, true
		}
		sourceOf[l.Replica] = l.Source
	}
	for _, l := range all {
		if g := groups[l.Source]; int(l.ReplicaLinks) != g.names {
			g.bad = true
		}
	}
	var bad []linkedPath
	for _, l := range all {
		if groups[l.Source].bad {
			bad = append(bad, l)
		}
	}
	return bad
}

// lookAgain returns names with what the replica has there now.
func (p *pass) lookAgain(ctx context.Context, names []linkedPath) []linkedPath {
	paths := make([]tree.Path, len(names))
	for i, l := range names {
		paths[i] = l.path
	}
	var there []linkedPath
	for i, found := range p.m.replica.Look(ctx, paths) {
		l := names[i]
		if found.Err == nil && found.Entry.Kind == l.Kind {
			l.Replica, l.ReplicaLinks = found.Entry.ID, found.Entry.Links
			there = append(there, l)
		}
	}
	return there
}

// linkGroups are the names of what has several in the source.
type linkGroups map[tree.ID]*linkGroup

type linkGroup struct {
	kind  tree.Kind
	names []tree.Path
}

func (g linkGroups) add(e tree.Entry, name tree.Path) {
	group := g[e.ID]
	if group == nil {
		group = &linkGroup{kind: e.Kind}
		g[e.ID] = group
	}
	group.names = append(group.names, name)
}

// several returns the names of the groups of two names and more, sorted.
func (g linkGroups) several() (all [][]tree.Path) {
	for _, group := range g.sorted() {
		if len(group.names) > 1 {
			all = append(all, group.names)
		}
	}
	return all
}

// sorted returns the groups, each sorted, in the order of their first names.
func (g linkGroups) sorted() []*linkGroup {
	all := make([]*linkGroup, 0, len(g))
	for _, group := range g {
		slices.Sort(group.names)
		all = append(all, group)
	}
	slices.SortFunc(all, func(a, b *linkGroup) int { return slices.Compare(a.names[:1], b.names[:1]) })
	return all
}
