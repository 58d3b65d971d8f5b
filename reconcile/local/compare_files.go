package local

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lockstep/reconcile/tree"
)

// stamps compares a file by what both sides say of it, without opening them.
func (c *comparison) stamps(i int) {
	name := c.s.Entries[i].Name
	e, err := c.s.Folder.Look(name)
	if err == nil && e.Kind != tree.File {
		err = tree.ErrChanged
	}
	if err != nil {
		c.sourceError(i, fmt.Errorf("look: %w", err))
		return
	}
	c.s.Entries[i] = e
	have, err := c.r.entryAt(c.dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		c.missing(i)
		return
	}
	if err != nil {
		c.problem(name, fmt.Errorf("look: %w", err))
		return
	}
	c.settle(i, c.project(e), have, tree.Digest{})
}

// remembered compares a file by the cache: when both sides have the very
// versions that were found equal, nothing of them can have changed, extended
// attributes included. Else it compares by content.
func (c *comparison) remembered(i int) {
	e, ok := c.seen(i)
	if !ok {
		return
	}
	have, err := c.dir.Look(e.Name)
	if err == nil {
		if leaf, ok := c.known.digest(e, have); ok {
			c.out.Leaves[i] = leaf
			c.links(e, have)
			return
		}
	}
	c.contents(i)
}

// contents compares a file by every byte of both sides: openat, fstat and
// flistxattr on both, then reads, and for a file that takes several of them
// fstat on the source again.
//
// RACE: a short file that gets the bytes of the replica's between fstat and
// read is found equal although its times are newer by then. That is no other
// outcome than of a change right after the read: nothing is published, and the
// event of the change, or the next pass, leads here again.
func (c *comparison) contents(i int) {
	name := c.s.Entries[i].Name
	begun := time.Time{}
	if c.known != nil {
		begun = time.Now()
	}
	source, err := c.openSource(name)
	if err != nil {
		c.sourceError(i, err)
		return
	}
	defer source.Close()
	e := source.Entry()
	e.Name = name
	c.s.Entries[i] = e
	want := c.project(e)
	file := &c.replica
	var have tree.Entry
	if err := openReplicaIn(file, &have, c.dir, name); err != nil {
		c.replicaError(want, err)
		return
	}
	defer file.Close()
	if want.Size != have.Size {
		c.settle(i, want, have, tree.Digest{})
		return
	}
	c.files.source, c.files.replica, c.files.size = source, file, want.Size
	short := want.Size <= tree.LongestTogether && c.known == nil
	c.files.hash = !short
	equal, digest, err := c.files.in(c.room)
	if err == nil && (want.Size > stripe || c.known != nil) {
		err = source.Changed()
	}
	switch {
	case errors.Is(err, tree.ErrChanged) || err == nil && !equal:
		c.out.Drift = append(c.out.Drift, tree.Drift{
			Differs: c.r.traits.Differ(want, have) | tree.OfContent, Want: want, Have: have,
		})
	case c.ctx.Err() != nil: // told by merge
	case err != nil:
		c.problem(name, err)
	case short:
		c.differ(want, have)
		c.room.short.Add(&c.r.traits, want, c.room.a[:want.Size], &c.out.Leaves[i])
	default:
		drifted := len(c.out.Drift)
		c.settle(i, want, have, digest)
		if c.known != nil && len(c.out.Drift) == drifted && !c.less {
			c.known.note(c.out.Leaves[i], begun, e, have)
		}
	}
}

// openSource opens a file of the source. It is in use until the next one.
func (c *comparison) openSource(name string) (tree.Content, error) {
	own, ok := c.s.Folder.(*sourceFolder)
	if !ok {
		return c.s.Folder.Open(name)
	}
	if err := own.open(name, &c.source); err != nil {
		return nil, err
	}
	return &c.source, nil
}

// sourceError is about entry i, which was in the source's list and cannot be
// read now. What is gone or something else by now is to be looked at again.
func (c *comparison) sourceError(i int, err error) {
	e := c.s.Entries[i]
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, tree.ErrChanged) {
		c.problem(e.Name, err)
		return
	}
	have := tree.Entry{}
	if c.dir != nil {
		have, err = c.dir.Look(e.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.problem(e.Name, fmt.Errorf("look: %w", err))
			return
		}
	}
	have.Name = e.Name
	c.drift(tree.OfContent, c.project(e), have)
}

// replicaError is about a file that the replica had in its list and that could
// not be opened.
func (c *comparison) replicaError(want tree.Entry, cause error) {
	have, err := c.r.entryAt(c.dir, want.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.drift(tree.OfExistence, want, tree.Entry{Name: want.Name})
	case err != nil:
		c.problem(want.Name, fmt.Errorf("look: %w", err))
	case errors.Is(cause, tree.ErrConflict) || c.r.traits.Differ(want, have) != 0:
		// Not a file, or one that a new version can replace unread.
		c.drift(c.r.traits.Differ(want, have)|tree.OfContent, want, have)
	default:
		c.problem(want.Name, cause)
	}
}
