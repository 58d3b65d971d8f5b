package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lockstep/reconcile/remote/chunk"
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
	mine []mine
	// spelling is of the names that the replica does not list as the source does.
	spelling tree.Spelling
}

// mine is an entry of the source, as it was read.
type mine struct {
	read    bool
	want    tree.Entry
	digest  tree.Digest // of a file's content
	hashed  bool
	err     error
	changed bool // it changed while it was read
}

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
	c := &comparison{r: r, ctx: ctx, s: s, mine: make([]mine, len(s.Entries))}
	c.out.Leaves = make([]tree.Digest, len(s.Entries))
	if err := c.run(); err != nil {
		return tree.Comparison{}, fmt.Errorf("compare: %w", err)
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
		case known == told && c.shape() == f.record.Shape:
			same, err := c.sameSum(f.record.Sum)
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

// shape is what the names, kinds and sizes here come to.
func (c *comparison) shape() wire.FolderShape {
	f := wire.NewFolder(c.r.traits, c.s.Path)
	for _, e := range c.s.Entries {
		if want, _ := c.r.traits.Project(e); want.Kind != tree.Absent {
			f.Shape(want)
		}
	}
	return f.Record().Shape
}

// sameSum reads everything here and reports whether it comes to sum; then the
// leaves are set.
func (c *comparison) sameSum(sum wire.FolderSum) (bool, error) {
	f := wire.NewFolder(c.r.traits, c.s.Path)
	for i, e := range c.s.Entries {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		m := c.read(i, always)
		if m.err != nil || m.changed {
			clear(c.out.Leaves)
			return false, nil
		}
		if m.want.Kind == tree.Absent {
			continue
		}
		f.Add(m.want, m.digest, wire.Wanted)
		if e.Kind != tree.Folder {
			c.out.Leaves[i] = c.r.traits.LeafDigest(m.want, m.digest)
		}
	}
	if f.Record().Sum != sum || sum == (wire.FolderSum{}) {
		clear(c.out.Leaves)
		return false, nil
	}
	c.count(c.out.Bytes) // the server has read as much
	return true, nil
}

// link notes what has several names on either side, where both
// sides are known to be equal.
func (c *comparison) link(linked []tree.Entry) {
	there := make(map[string]tree.Entry, len(linked))
	for _, e := range linked {
		there[e.Name] = e
	}
	asked := false
	for i := range c.mine {
		want := c.mine[i].want
		have, several := there[want.Name]
		if !several { // the server's entry has one name, and told nothing
			have = tree.Entry{Kind: want.Kind, Links: 1}
		}
		if l, ok := c.r.traits.Pair(want, have); ok {
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

// always says that a file's content is to be read.
func always(tree.Entry) bool { return true }

// read reads entry i of the source, once; the content only if contents says
// so of what was opened.
func (c *comparison) read(i int, contents func(tree.Entry) bool) *mine {
	m, e := &c.mine[i], c.s.Entries[i]
	if m.read {
		return m
	}
	m.read = true
	var lost tree.Attributes
	switch {
	case e.Kind != tree.File:
	case c.s.Method == tree.ByMetadata:
		e, m.err = c.s.Folder.Look(e.Name)
	default:
		e, m.err = c.open(i, m, contents)
	}
	if m.err != nil {
		e = c.s.Entries[i]
	}
	m.want, lost = c.r.traits.Project(e)
	for class := range c.out.Lost {
		if lost&(1<<class) != 0 {
			c.out.Lost[class]++
		}
	}
	return m
}

// open opens a file and digests it if contents says so.
func (c *comparison) open(i int, m *mine, contents func(tree.Entry) bool) (tree.Entry, error) {
	content, err := c.s.Folder.Open(c.s.Entries[i].Name)
	if err != nil {
		return tree.Entry{}, err
	}
	defer content.Close()
	e := content.Entry()
	e.Name = c.s.Entries[i].Name
	if !contents(e) {
		return e, nil
	}
	m.digest, err = chunk.Digest(&counted{content, c}, e.Size)
	if err == nil {
		err = content.Changed()
	}
	if errors.Is(err, tree.ErrChanged) {
		m.changed, err = true, nil
	}
	m.hashed = err == nil && !m.changed
	return e, err
}

// counted counts what is read of a content, and stops when the call's context
// ends.
type counted struct {
	tree.Content
	c *comparison
}

// ReadAt reads and counts.
func (k *counted) ReadAt(p []byte, offset int64) (int, error) {
	if err := k.c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := k.Content.ReadAt(p, offset)
	k.c.count(int64(n))
	return n, err
}

func (c *comparison) count(n int64) {
	c.out.Bytes += n
	if c.s.Read != nil && n > 0 {
		c.s.Read(n)
	}
}

// list asks the server what stands in its folder. Only a listing that says
// that it is complete is believed: what is not in it may be removed.
func (c *comparison) list(survey uint64) ([]theirs, error) {
	request := &wire.ListRequest{Path: []byte(c.s.Path), Survey: survey, Contents: c.s.Method != tree.ByMetadata}
	stream, err := c.l.tree.List(c.ctx, request)
	if err != nil {
		return nil, c.l.failed(c.ctx, err)
	}
	var all []theirs
	for {
		reply, err := stream.Recv()
		if err == io.EOF {
			return nil, c.l.failed(c.ctx, lies("a listing without an end"))
		}
		if err != nil {
			return nil, c.l.failed(c.ctx, err)
		}
		for _, m := range reply.Entries {
			if m.Entry == nil {
				return nil, wire.ToError(orSilent(m.Error))
			}
			t := theirs{err: wire.ToError(m.Error)}
			if t.entry, err = wire.ToEntry(m.Entry); err == nil {
				t.digest, err = wire.ToDigest(m.Digest)
			}
			if err == nil && (t.entry.Name == "" || len(all) > 0 && all[len(all)-1].entry.Name >= t.entry.Name) {
				err = fmt.Errorf("names are out of order at %q", t.entry.Name)
			}
			if err != nil {
				return nil, c.l.failed(c.ctx, lies("%v", err))
			}
			all = append(all, t)
		}
		if reply.Complete {
			if reply.Count != uint64(len(all)) || reply.Bytes < 0 {
				return nil, c.l.failed(c.ctx, lies("%d entries were announced, %d listed", reply.Count, len(all)))
			}
			c.count(reply.Bytes)
			return all, nil
		}
	}
}

func orSilent(e *wire.Error) *wire.Error {
	if e == nil {
		return &wire.Error{}
	}
	return e
}
