package client

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// comparison is one call of [Replica.Compare]. One goroutine.
type comparison struct {
	r    *Replica
	l    *link
	ctx  context.Context
	s    tree.Subject
	out  tree.Comparison
	mine []mine // of the room
	room *compareRoom
	// spelling is of the names that the replica does not list as the source does.
	spelling tree.Spelling
	// cache is what is known of the source's folder; nil until something is asked.
	cache tree.CachedFolder
	// content is what is read, one after the other.
	content counted
	untold  int64 // bytes of which the subject has not heard
}

// mine is an entry of the source, as it was read.
type mine struct {
	read    bool
	skipped bool // its content was left for later
	want    tree.Entry
	counted bool        // what the replica cannot hold of it
	digest  tree.Digest // of a file's content
	hashed  bool
	err     error
	changed bool // it changed while it was read
}

// compareRoom is what one comparison after the other needs.
type compareRoom struct {
	short  tree.ShortContents
	mine   []mine
	folder wire.Folder
	file   tree.Content // the one before, which is closed
}

var compareRooms = sync.Pool{New: func() any { return new(compareRoom) }}

// theirs is an entry of the replica.
type theirs struct {
	entry  tree.Entry
	digest tree.Digest
	err    error
}

// Compare tells how the replica's folder differs from the source's. The root
// begins a survey, in which the server digests its whole tree while the pass
// goes on here. A folder of which the digests agree costs nothing more.
func (r *Replica) Compare(ctx context.Context, s tree.Subject) (tree.Comparison, error) {
	c := &comparison{r: r, ctx: ctx, s: s, room: compareRooms.Get().(*compareRoom)}
	c.content.c = c
	c.out.Leaves = make([]tree.Digest, len(s.Entries))
	c.room.mine = slices.Grow(c.room.mine[:0], len(s.Entries))[:len(s.Entries)]
	c.mine = c.room.mine
	defer func() {
		c.room.short.Flush()
		clear(c.mine) // they hold on to names
		compareRooms.Put(c.room)
	}()
	err := c.run()
	c.tell()
	if err != nil {
		return tree.Comparison{}, fmt.Errorf("compare: %w", err)
	}
	if c.cache != nil {
		c.cache.Keep()
	}
	return c.out, nil
}

func (c *comparison) run() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if err := c.s.Path.Check(); err != nil {
		return err
	}
	var err error
	if c.l, err = c.r.reach(); err != nil {
		return err
	}
	sv, err := c.r.surveyFor(c.l, c.s)
	if err != nil {
		return c.l.failed(c.ctx, err)
	}
	id := uint64(0)
	if sv != nil {
		defer c.r.forget(sv)
		f, known, err := sv.await(c.ctx, c.s.Path)
		if err != nil {
			return err
		}
		switch {
		case known == missing:
			sv.lacks(c.subfolders(func(tree.Entry) bool { return true }))
			return c.merge(nil)
		case known == told:
			c.count(f.read)
			same, err := c.same(f.record)
			if err != nil {
				return err
			}
			if same {
				c.link(f.linked)
				return nil
			}
		}
		id = sv.number()
	}
	have, err := c.list(id)
	if err != nil {
		return err
	}
	if sv != nil {
		sv.lacks(c.lacking(have))
	}
	return c.merge(have)
}

func (s *survey) number() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// subfolders returns the paths of the source's folders that fit.
func (c *comparison) subfolders(fits func(tree.Entry) bool) (paths []tree.Path) {
	for _, e := range c.s.Entries {
		if e.Kind == tree.Folder && fits(e) {
			paths = append(paths, c.s.Path.Join(e.Name))
		}
	}
	return paths
}

// lacking returns the folders that the replica does not have as such.
func (c *comparison) lacking(have []theirs) []tree.Path {
	folders := map[string]bool{}
	for _, h := range have {
		if h.entry.Kind == tree.Folder || h.err != nil {
			folders[h.entry.Name] = true
		}
	}
	return c.subfolders(func(e tree.Entry) bool { return !folders[e.Name] })
}

// same reads what is here and reports whether it comes to the record; then the
// leaves are set. Large files wait until the names, kinds and sizes agree.
func (c *comparison) same(r wire.FolderRecord) (bool, error) {
	for _, contents := range []func(*tree.Entry) bool{small, always} {
		f := &c.room.folder
		f.Begin(&c.r.traits, c.s.Path)
		all := true
		for i := range c.s.Entries {
			if err := c.ctx.Err(); err != nil {
				return false, err
			}
			m := c.read(i, contents)
			if m.err != nil || m.changed {
				return false, nil
			}
			if all = all && !m.skipped; m.want.Kind != tree.Absent {
				f.Shape(&m.want)
			}
		}
		if f.Record().Shape != r.Shape {
			return false, nil
		}
		if all {
			return c.sum(r.Sum), nil
		}
	}
	return false, nil
}

// sum sets the leaves if all that was read comes to sum.
func (c *comparison) sum(sum wire.FolderSum) bool {
	short, f := &c.room.short, &c.room.folder
	short.Flush()
	for i := range c.mine {
		if m := &c.mine[i]; m.want.Kind != tree.Absent {
			short.Leaf(&c.r.traits, &m.want, m.digest, &c.out.Leaves[i])
		}
	}
	short.Flush()
	for i := range c.mine {
		switch m, leaf := &c.mine[i], &c.out.Leaves[i]; m.want.Kind {
		case tree.Absent:
		case tree.Folder:
			f.Add(&m.want, leaf, wire.Wanted)
			*leaf = tree.Digest{} // is not told
		default:
			f.Add(&m.want, leaf, wire.Wanted)
		}
	}
	if f.Record().Sum != sum || sum == (wire.FolderSum{}) {
		clear(c.out.Leaves)
		return false
	}
	return true
}

// link notes what has several names on either side, where both
// sides are known to be equal.
func (c *comparison) link(linked []tree.Entry) {
	var there map[string]tree.Entry
	if len(linked) > 0 {
		there = make(map[string]tree.Entry, len(linked))
	}
	for _, e := range linked {
		there[e.Name] = e
	}
	asked := false
	for i := range c.mine {
		want := &c.mine[i].want
		if there == nil && want.Links <= 1 { // as it is for most
			continue
		}
		have, several := there[want.Name]
		if !several { // the server's entry has one name, and told nothing
			have = tree.Entry{Kind: want.Kind, Links: 1}
		}
		if l, ok := c.r.traits.Pair(*want, have); ok {
			c.out.Linked = append(c.out.Linked, l)
			asked = asked || !several
		}
	}
	if asked {
		c.identify()
	}
}

// identify asks for the identities that were not told.
func (c *comparison) identify() {
	var paths []tree.Path
	var places []int
	for i, l := range c.out.Linked {
		if l.Replica == (tree.ID{}) {
			paths = append(paths, c.s.Path.Join(l.Name))
			places = append(places, i)
		}
	}
	for i, found := range c.r.Look(c.ctx, paths) {
		l := &c.out.Linked[places[i]]
		if l.Replica = found.Entry.ID; found.Entry.Links > 0 {
			l.ReplicaLinks = found.Entry.Links
		}
	}
}
