package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// comparison is one call of [Replica.Compare]. One goroutine.
type comparison struct {
	r   *Replica
	ctx context.Context
	s   tree.Subject
	dir *at.Dir // nil when the replica has no such folder
	out tree.Comparison
	// known is what the cache has of the folder.
	known *cachedFolder
	// less: the replica cannot hold all of the entry at hand.
	less bool
	// spelling is of the names that the replica does not list as the source does.
	spelling tree.Spelling
	// What one file after the other is compared with.
	source  content
	replica at.File
	files   match
	room    *room
}

// Compare lists the replica's folder and goes through both lists by name.
func (r *Replica) Compare(ctx context.Context, s tree.Subject) (tree.Comparison, error) {
	room := rooms.Get().(*room)
	c := &room.comparison
	*c = comparison{r: r, ctx: ctx, s: s, room: room}
	defer func() {
		*c = comparison{} // what it holds on to
		rooms.Put(room)
	}()
	c.files = match{ctx: ctx, read: s.Read}
	c.out.Leaves = make([]tree.Digest, len(s.Entries))
	l := listings.Get().(*listing)
	defer l.giveBack()
	f, err := c.open(l)
	if err != nil {
		return tree.Comparison{}, fmt.Errorf("compare: %w", err)
	}
	if f != nil {
		defer f.close()
	} else {
		c.out.Drift = make([]tree.Drift, 0, len(s.Entries)) // everything is missing
	}
	err = c.merge(l.names)
	c.room.short.Flush()
	c.files.tell()
	if err != nil {
		return tree.Comparison{}, fmt.Errorf("compare: %w", err)
	}
	c.out.Bytes = c.files.bytes.Load()
	if c.known != nil && !r.options.ReadOnly {
		c.known.Keep()
	}
	return c.out, nil
}

// open opens the replica's folder and lists it; nil when there is none.
func (c *comparison) open(l *listing) (*folder, error) {
	if c.r.root == nil {
		return nil, nil
	}
	f, err := c.r.openFolder(c.s.Path, toList)
	if err == nil {
		if err = noParent(l.read(f.dir)); err != nil { // it went meanwhile, maybe
			f.close()
		}
	}
	if errors.Is(err, tree.ErrNoParent) {
		c.spell(nil)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.dir = f.dir
	c.spell(l.names)
	if c.s.Method == tree.ByCache && c.r.cache != nil && c.sourceTellsChanges() {
		c.known = c.r.cache.load(c.s.Path)
	}
	return f, nil
}

// sourceTellsChanges asks each folder: another file system may be mounted there.
func (c *comparison) sourceTellsChanges() bool {
	own, ok := c.s.Folder.(*sourceFolder)
	if !ok {
		return true
	}
	kind, _, err := own.d.FSType()
	return err == nil && tellsChanges(kind)
}

// merge goes through both sorted lists. Its error ends the comparison; what
// goes wrong at one name is a problem.
func (c *comparison) merge(names []at.Name) error {
	entries := c.s.Entries
	for i := 0; i < len(entries) || len(names) > 0; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		switch {
		case i == len(entries) || len(names) > 0 && names[0].Name < entries[i].Name:
			if !c.r.temps.alive(names[0].Name) {
				c.additional(names[0].Name)
			}
			names = names[1:]
		case len(names) == 0 || entries[i].Name < names[0].Name:
			c.missing(i)
			i++
		default:
			if c.r.temps.alive(names[0].Name) {
				c.missing(i)
			} else {
				c.both(i, names[0].Kind)
			}
			names = names[1:]
			i++
		}
	}
	return c.ctx.Err()
}

func (c *comparison) drift(differs tree.Attributes, want, have tree.Entry) {
	if differs != 0 {
		c.out.Drift = append(c.out.Drift, tree.Drift{Differs: differs, Want: want, Have: have})
	}
}

func (c *comparison) problem(name string, err error) {
	c.out.Problems = append(c.out.Problems, tree.Problem{Name: name, Err: err})
}

// project counts what the replica cannot hold of e.
func (c *comparison) project(e tree.Entry) tree.Entry {
	want, lost := c.r.traits.Project(e)
	c.less = lost != 0
	for i := range c.out.Lost {
		if lost&(1<<i) != 0 {
			c.out.Lost[i]++
		}
	}
	return want
}

// additional is about a name that only the replica has.
func (c *comparison) additional(name string) {
	have, err := c.dir.Look(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		c.problem(name, fmt.Errorf("look: %w", err))
	default:
		c.drift(tree.OfExistence, tree.Entry{Name: name}, have)
	}
}

// missing is about entry i, of which only the source has the name.
func (c *comparison) missing(i int) {
	if name := c.s.Entries[i].Name; c.spelling.Unplaced[name] != nil {
		c.problem(name, c.spelling.Unplaced[name])
		return
	}
	e, ok := c.seen(i)
	if !ok {
		return
	}
	if want := c.project(e); want.Kind != tree.Absent {
		c.drift(tree.OfExistence, want, tree.Entry{Name: e.Name})
	}
}

// seen returns entry i, which is looked at if nobody did; false when that went
// wrong, which is noted.
func (c *comparison) seen(i int) (tree.Entry, bool) {
	e := c.s.Entries[i]
	if !e.Bare() {
		return e, true
	}
	e, err := c.s.Folder.Listed(e.Name)
	if err == nil && e.Kind != tree.File {
		err = tree.ErrChanged
	}
	if err != nil {
		c.sourceError(i, err)
		return e, false
	}
	c.s.Entries[i] = e
	return e, true
}

// both is about entry i, of which the replica has the name, with a thing of
// that kind if the listing told it.
func (c *comparison) both(i int, kind tree.Kind) {
	e := c.s.Entries[i]
	if as, ok := c.spelling.Misspelled[e.Name]; ok {
		c.misspelled(i, as)
		return
	}
	if e.Kind == tree.File && (kind == tree.File || kind == tree.Absent) {
		switch {
		case c.s.Method == tree.ByMetadata:
			c.stamps(i)
		case c.known != nil:
			c.remembered(i)
		default:
			c.contents(i)
		}
		return
	}
	e, ok := c.seen(i)
	if !ok {
		return
	}
	want := c.project(e)
	have, err := c.r.entryAt(c.dir, e.Name)
	if errors.Is(err, fs.ErrNotExist) {
		if want.Kind != tree.Absent {
			c.drift(tree.OfExistence, want, tree.Entry{Name: e.Name})
		}
		return
	}
	if err != nil {
		c.problem(e.Name, fmt.Errorf("look: %w", err))
		return
	}
	if want.Kind == tree.Folder && have.Kind == tree.Folder && have.Mounted {
		return // to compare what is in it says so
	}
	c.settle(i, want, have, tree.Digest{})
}

// settle notes how want and have differ, and the leaf where the content is the
// same.
func (c *comparison) settle(i int, want, have tree.Entry, content tree.Digest) {
	differs := c.differ(want, have)
	if differs&(tree.OfContent|tree.OfKind|tree.OfExistence) == 0 && want.Kind != tree.Folder {
		c.out.Leaves[i] = c.r.traits.LeafDigest(want, content)
	}
}

// differ notes how want and have differ, and what has more than one name.
func (c *comparison) differ(want, have tree.Entry) tree.Attributes {
	differs := c.r.traits.Differ(want, have)
	c.drift(differs, want, have)
	c.links(want, have)
	return differs
}

// links notes what has more than one name on either side.
func (c *comparison) links(want, have tree.Entry) {
	if l, ok := c.r.traits.Pair(want, have); ok {
		c.out.Linked = append(c.out.Linked, l)
	}
}
