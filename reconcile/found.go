package reconcile

import (
	"context"
	"slices"
	"strings"
	"sync"

	"lockstep/reconcile/tree"
)

// listed is what the source says of a folder.
type listed struct {
	self    tree.Entry
	entries []tree.Entry
}

// entryRoom holds the entries of one folder after the other.
type entryRoom struct{ entries []tree.Entry }

var entryRooms = sync.Pool{New: func() any { return new(entryRoom) }}

func (r *entryRoom) giveBack() {
	clear(r.entries) // they hold on to their names
	r.entries = r.entries[:0]
	entryRooms.Put(r)
}

// list leaves files to the replica, which opens each anyway. The entries are
// there until room is given back.
func (p *pass) list(f tree.SourceFolder, room *entryRoom) ([]tree.Entry, error) {
	entries, err := f.Names(room.entries)
	if err == nil {
		room.entries = entries
	}
	return entries, err
}

// take makes drift of what a comparison found.
func (p *pass) take(ctx context.Context, v visitFolder, l listed, c tree.Comparison) ([]visitFolder, error) {
	p.count(v.path, l.entries, c)
	names := make([]string, len(l.entries))
	var below []visitFolder
	unplaced := unplacedIn(c)
	for i := range l.entries {
		e := &l.entries[i]
		names[i] = e.Name
		if e.Kind == tree.Folder && !unplaced[e.Name] {
			below = append(below, visitFolder{v.path.Join(e.Name), newNode(v.node, i)})
		}
	}
	leafless, pending := p.leafless(l.entries, c)
	v.node.begin(p.m.leaf(l.self, tree.Digest{}), names, c.Leaves, len(below)+pending)

	if p.visit == nil {
		p.offer(v.path, c.Drift)
	}
	for i := range c.Drift {
		d := &c.Drift[i]
		path := v.path.Join(d.Name())
		if d.Want.Kind == tree.Absent {
			if err := p.extra(ctx, path, d); err != nil {
				return nil, err
			}
			continue
		}
		var leaf func(tree.Digest)
		if leafless != nil && leafless[i] != leafy {
			place := leafless[i]
			leaf = func(digest tree.Digest) { v.node.set(place, digest) }
		}
		if d.Differs == tree.OfName && p.visit == nil {
			p.misspelled(path, *d, leaf)
			continue
		}
		if err := p.drift(ctx, path, d, leaf); err != nil {
			return nil, err
		}
	}
	return below, nil
}

// unplacedIn returns the names that the replica has no place for: nothing below
// them can be compared. nil for most.
func unplacedIn(c tree.Comparison) (names map[string]bool) {
	for _, problem := range c.Problems {
		if tree.IsUnplaced(problem.Err) {
			if names == nil {
				names = make(map[string]bool)
			}
			names[problem.Name] = true
		}
	}
	return names
}

// offer makes known what is additional in a folder, before anybody works on
// what is missing: that may be the same under its new name.
func (p *pass) offer(folder tree.Path, drift []tree.Drift) {
	for _, d := range drift {
		if d.Want.Kind == tree.Absent {
			p.m.gone.put(signatureOf(d.Have), folder.Join(d.Name()))
		}
	}
}

// leafy is the place of an entry whose digest is known.
const leafy = -1

// leafless returns, for each drift, the place of the entry whose digest comes
// with the work on it, and how many there are.
func (p *pass) leafless(entries []tree.Entry, c tree.Comparison) (places []int, pending int) {
	if p.visit != nil || len(c.Drift) == 0 {
		return nil, 0
	}
	places = make([]int, len(c.Drift))
	i, ok := -1, false
	for n := range c.Drift {
		d := &c.Drift[n]
		if i++; i < len(entries) && entries[i].Name == d.Name() { // most often it is the next one
			ok = true
		} else {
			i, ok = slices.BinarySearchFunc(entries, d.Name(), func(e tree.Entry, name string) int { return strings.Compare(e.Name, name) })
		}
		if places[n] = leafy; ok && d.Want.Kind != tree.Absent && entries[i].Kind != tree.Folder && c.Leaves[i].IsZero() {
			places[n] = i
			pending++
		}
	}
	return places, pending
}

// count adds what a folder holds to the report.
func (p *pass) count(path tree.Path, entries []tree.Entry, c tree.Comparison) {
	var names []tree.Entry
	unlinked := -1
	for i, e := range entries {
		if e.Several() && p.m.projected(e).Kind != tree.Absent {
			names = append(names, e)
			if !p.m.traits.HoldsLinks(e.Kind) {
				unlinked = i
			}
		}
	}
	files, folders, skipped := p.countKinds(path, entries)
	if unlinked >= 0 {
		p.m.noteLost(tree.OfLinks, path.Join(entries[unlinked].Name))
	}
	p.files.Add(files)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.report
	r.Compared += int64(len(entries))
	r.Files += files
	r.Folders += folders
	r.Skipped += skipped
	r.Lost[0] -= skipped // what no replica holds is not for this one to hold
	for i, n := range c.Lost {
		r.Lost[i] += int64(n)
		if n > 0 && tree.Attributes(1<<i) != tree.OfExistence {
			p.m.noteLost(1<<i, path)
		}
	}
	for _, e := range names {
		name := path.Join(e.Name)
		if left, ok := p.m.links.see(name, e); ok {
			p.left = append(p.left, left)
		}
		p.m.links.vouch(name, e.ID)
		if p.m.traits.HoldsLinks(e.Kind) {
			p.groups.add(e, name)
		}
	}
	for _, l := range c.Linked {
		p.linked = append(p.linked, linkedPath{path: path.Join(l.Name), Linked: l})
	}
	for _, problem := range c.Problems {
		r.Problems++
		p.uncompared(problem.Err)
		p.m.problems.note(path.Join(problem.Name), problem.Err, 0)
	}
}

// countKinds returns how many entries of a folder are files, folders and sockets,
// and tells of one that the replica cannot hold.
func (p *pass) countKinds(path tree.Path, entries []tree.Entry) (files, folders, sockets int64) {
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case tree.File:
			files++
		case tree.Folder:
			folders++
		case tree.Socket:
			sockets++
		default:
			if p.m.projected(*e).Kind == tree.Absent {
				p.m.noteLost(tree.OfExistence, path.Join(e.Name))
			}
		}
	}
	return files, folders, sockets
}

// addLost counts what was lost of one entry.
func (p *pass) addLost(lost tree.Attributes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.report.Lost {
		if lost.Has(1 << i) {
			p.report.Lost[i]++
		}
	}
}

func (p *pass) countLost(path tree.Path, lost tree.Attributes) {
	if lost != 0 {
		p.m.noteLost(lost, path)
	}
}
