package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// create makes a folder, symlink, FIFO or device node.
func (b *batch) create(i int) error {
	a, out := &b.actions[i], &b.outcomes[i]
	b.current = i
	f, err := b.folders.get(a.Path.Parent())
	if err != nil {
		return err
	}
	want, _ := b.r.traits.Project(a.Want)
	if want.Kind == tree.Absent || want.Kind == tree.File {
		return fmt.Errorf("%v: %w", a.Want.Kind, errors.ErrUnsupported)
	}
	want.Name = a.Path.Name()
	name := want.Name
	straight := want.Kind == tree.Folder && a.Over == tree.Absent
	if !straight { // complete before it is seen, or in the place of the old
		name = b.r.temps.name()
	}
	if err := b.make(f, name, want); err != nil {
		if !straight {
			b.r.temps.drop(name)
		}
		return err
	}
	if !straight {
		err = b.place(f, i, name, want.Kind)
	}
	if err != nil {
		return err
	}
	out.Did, out.Entry, out.Differed = tree.Create, a.Want, tree.OfKind
	if a.Over == tree.Absent {
		out.Differed = tree.OfExistence
	} else if a.Over == want.Kind {
		if out.Differed = tree.OfContent; a.Fresh {
			out.Differed = tree.OfLinks
		}
	}
	return nil
}

// make makes the entry want under name with all its attributes, or nothing.
func (b *batch) make(f *folder, name string, want tree.Entry) (err error) {
	switch want.Kind {
	case tree.Folder:
		err = f.dir.Mkdir(name)
	case tree.Symlink:
		err = f.dir.Symlink(want.Link, name)
	default:
		err = f.dir.Mknod(name, want.Kind, want.Device)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: something stands there", tree.ErrConflict)
	}
	if err != nil {
		return err
	}
	if err = b.furnish(f, name, want); err == nil {
		return nil
	}
	if want.Kind == tree.Folder {
		f.dir.Rmdir(name)
	} else {
		f.dir.Unlink(name)
	}
	return err
}

// furnish sets the attributes of what was just made under name.
func (b *batch) furnish(f *folder, name string, want tree.Entry) error {
	made, err := b.r.hold(f.dir, name, want.Kind)
	if err != nil {
		return err
	}
	defer made.letGo()
	if made.held && b.r.traits.Owners {
		if err := made.unused(want); err != nil {
			return err
		}
	}
	have := b.r.fresh(f, want.Kind)
	if f.inherits {
		if have.Xattrs, err = made.dir.Xattrs(made.name); err != nil {
			return err
		}
	}
	return b.setAttributes(made, want, have)
}

// unused returns [tree.ErrConflict] unless what is held is as good as new: who
// may change the folder could have put something else in its place, which is not
// theirs and must not become so.
func (n named) unused(want tree.Entry) error {
	e, err := n.dir.Self()
	if err != nil {
		return err
	}
	used := e.Kind != want.Kind || e.Device != want.Device || e.Kind != tree.Folder && e.Links > 1
	if !used && e.Kind == tree.Folder {
		names, err := n.dir.Names(nil)
		if err != nil {
			return err
		}
		used = len(names) > 0
	}
	if used {
		return fmt.Errorf("%w: another %v than the one that was made", tree.ErrConflict, e.Kind)
	}
	return nil
}

// link gives the file at From the name of action i.
func (b *batch) link(i int) error {
	a, out := &b.actions[i], &b.outcomes[i]
	from, err := b.folders.get(a.From.Parent())
	if errors.Is(err, tree.ErrNoParent) {
		return fmt.Errorf("%w: nothing stands at %q", tree.ErrConflict, string(a.From))
	}
	if err != nil {
		return err
	}
	first, err := from.dir.Look(a.From.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && first.Kind == tree.Folder {
		return fmt.Errorf("%w: %v stands at %q", tree.ErrConflict, first.Kind, string(a.From))
	}
	if err != nil {
		return err
	}
	f, err := b.folders.get(a.Path.Parent())
	if err != nil {
		return err
	}
	now, err := f.dir.Look(a.Path.Name())
	if err == nil && now.ID == first.ID {
		return nil // rename(2) of two names of one file would do nothing
	}
	if from, err = b.folders.get(a.From.Parent()); err != nil { // may have been closed for f
		return err
	}
	temp := b.r.temps.name()
	if err := from.dir.Link(a.From.Name(), f.dir, temp); err != nil {
		b.r.temps.drop(temp)
		if errors.Is(err, fs.ErrNotExist) { // another entry takes the name From, and leaves the first none
			err = fmt.Errorf("%w: %w", tree.ErrConflict, err)
		}
		return err
	}
	if err := b.place(f, i, temp, first.Kind); err != nil {
		return err
	}
	// Had the name become one of the same file meanwhile, the temp stayed.
	if _, err := f.dir.Look(temp); err == nil {
		f.dir.Unlink(temp)
	}
	out.Did, out.Entry, out.Differed = tree.Link, a.Want, tree.OfLinks
	return nil
}

// rename moves what stands at From, with all below it.
func (b *batch) rename(i int) error {
	a, out := &b.actions[i], &b.outcomes[i]
	from, err := b.folders.get(a.From.Parent())
	if errors.Is(err, tree.ErrNoParent) {
		return fmt.Errorf("%w: nothing stands at %q", tree.ErrConflict, string(a.From))
	}
	if err != nil {
		return err
	}
	have, err := from.dir.Look(a.From.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && have.Kind != a.Want.Kind:
		return fmt.Errorf("%w: %v stands at %q", tree.ErrConflict, have.Kind, string(a.From))
	case err != nil:
		return err
	case have.Mounted:
		return tree.ErrMount
	}
	var moved *folder
	if have.Kind == tree.Folder {
		b.folders.forget(a.From)
		if b.r.mayLend() { // another parent is an entry of the folder itself
			if moved, err = b.r.openFolder(a.From, toWrite); err != nil {
				return err
			}
			defer moved.close()
		}
	}
	f, err := b.folders.get(a.Path.Parent())
	if err != nil {
		return err
	}
	if from, err = b.folders.get(a.From.Parent()); err != nil { // may have been closed for f
		return err
	}
	if b.isRespelling(a) {
		err = b.respell(f.dir, a.From.Name(), a.Path.Name())
	} else {
		err = moveNew(from.dir, a.From.Name(), f.dir, a.Path.Name())
	}
	if err != nil {
		return err
	}
	out.Did, out.Entry, out.Differed = tree.Rename, a.Want, tree.OfExistence
	return nil
}

// metadata sets the attributes in which the entry at the path differs.
func (b *batch) metadata(i int) error {
	a, out := &b.actions[i], &b.outcomes[i]
	b.current = i
	f, err := b.folders.get(a.Path.Parent())
	if err != nil {
		return err
	}
	name := a.Path.Name()
	held, err := b.r.hold(f.dir, name, a.Want.Kind)
	if err != nil {
		return err
	}
	defer held.letGo()
	have, err := b.r.entryAt(held.dir, held.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && have.Kind != a.Want.Kind {
		return fmt.Errorf("%w: %v stands there", tree.ErrConflict, have.Kind)
	}
	if err != nil {
		return err
	}
	want, _ := b.r.traits.Project(a.Want)
	want.Size, want.Link, want.Device = have.Size, have.Link, have.Device // are content
	out.Did, out.Entry, out.Differed = tree.Metadata, a.Want, b.r.traits.Differ(want, have)
	switch {
	case have.Mounted && a.Path != tree.Root:
		return tree.ErrMount
	case a.Want.Links <= 1 && have.Kind == tree.File && have.Links > 1:
		out.Differed |= tree.OfLinks
		err = b.part(f, a, want)
	case a.Want.Links <= 1 && have.Several():
		err = fmt.Errorf("%w: it has another name", tree.ErrConflict)
	case out.Differed == 0:
		out.Did = tree.None
	case have.Kind == tree.File:
		err = b.setOpened(f, a, held, want)
	default:
		err = b.setAttributes(held, want, have)
	}
	return err
}

// setOpened sets attributes of the file of a through a handle that reads, so that
// it is one and the same file that is looked at and changed; through held where it
// may not be read.
func (b *batch) setOpened(f *folder, a *tree.Action, held named, want tree.Entry) error {
	file, have, err := openReplica(f.dir, a.Path.Name())
	if errors.Is(err, fs.ErrPermission) {
		if have, err = b.r.entryAt(held.dir, held.name); err == nil {
			err = b.setAttributes(held, want, have)
		}
		return err
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if a.Want.Links <= 1 && have.Links > 1 {
		return fmt.Errorf("%w: it has another name", tree.ErrConflict)
	}
	return b.setAttributes(file, want, have)
}

// part gives the path a file of its own with the same content: the one that
// stands there has a name outside of what the mirror knows, which must not
// change with it.
func (b *batch) part(f *folder, a *tree.Action, want tree.Entry) error {
	file, have, err := openReplica(f.dir, a.Path.Name())
	if err != nil {
		return err
	}
	own := &ownContent{File: file, entry: have}
	defer own.Close()
	want.Size, want.ID = have.Size, have.ID
	b2 := *b
	b2.each = true
	again := *a
	again.Hash, again.Unsettled = false, false
	temp, _, err := b2.writeTemp(f, &again, own, want)
	if err != nil {
		return err
	}
	if err := f.dir.Rename(temp, f.dir, a.Path.Name(), at.Replace); err != nil {
		b.unlinkTemp(f, temp)
		return err
	}
	b.r.temps.drop(temp)
	return nil
}

// remove removes what stands at the path.
func (b *batch) remove(i int) error {
	a, out := &b.actions[i], &b.outcomes[i]
	f, err := b.folders.get(a.Path.Parent())
	if errors.Is(err, tree.ErrNoParent) {
		return nil
	}
	if err != nil {
		return err
	}
	name := a.Path.Name()
	have, err := f.dir.Look(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if have.Kind != a.Over {
		return fmt.Errorf("%w: %v stands there", tree.ErrConflict, have.Kind)
	}
	b.folders.forget(a.Path)
	out.Removed, err = b.r.removeTree(b.ctx, f.dir, name)
	if out.Removed > 0 {
		out.Did, out.Differed = tree.Remove, tree.OfExistence
	}
	return err
}

// ownContent is a file of the replica as content for another one.
type ownContent struct {
	*at.File
	entry tree.Entry
}

func (c *ownContent) file() *at.File { return c.File }

// Entry is the file as it was when it was opened.
func (c *ownContent) Entry() tree.Entry { return c.entry }

// Changed looks again. It is [tree.ErrConflict] here: not the source changed.
func (c *ownContent) Changed() error {
	now, err := c.File.Entry()
	if err == nil && !now.Same(c.entry) {
		err = tree.ErrConflict
	}
	return err
}

var _ io.ReaderAt = (*ownContent)(nil)
