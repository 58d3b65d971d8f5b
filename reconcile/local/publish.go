package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// publish gives the staged file of d its name.
func (b *batch) publish(d deferred) error {
	a := &b.actions[d.index]
	f, err := b.folders.get(a.Path.Parent())
	if d.file != nil {
		if err == nil {
			err = taken(d.file.Link(f.dir, a.Path.Name()))
		}
		d.file.close()
		return err
	}
	if err != nil {
		b.r.temps.drop(d.temp)
		return err
	}
	made := b.r.temps.identity(d.temp)
	if err := b.place(f, d.index, d.temp, tree.File); err != nil {
		return err
	}
	return b.confirm(a.Path, made)
}

// confirm looks whether the name leads to the file that was made, for its temp
// had a name that others could give to a file of theirs. Nothing is known of a
// zero identity.
func (b *batch) confirm(path tree.Path, made tree.ID) error {
	if made == (tree.ID{}) {
		return nil
	}
	f, err := b.folders.get(path.Parent())
	if err != nil {
		return err
	}
	e, err := f.dir.Look(path.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && e.ID != made {
		return fmt.Errorf("%w: another file than the one that was made", tree.ErrConflict)
	}
	return err
}

// place puts the complete entry temp, of the given kind, where action i wants
// it, over what the decision saw there. The temp is gone afterwards, and the
// name holds the new entry or, after an error, the old one.
//
// RACE: what stands at the name is looked at before it is replaced. Who puts
// another file there in between loses it; a folder cannot be lost, for a
// rename does not put a file over it.
func (b *batch) place(f *folder, i int, temp string, kind tree.Kind) error {
	a := &b.actions[i]
	name := a.Path.Name()
	over, err := b.standing(f, a)
	switch {
	case err != nil:
	case over == tree.Absent:
		err = moveNew(f.dir, temp, f.dir, name)
	case over != tree.Folder && kind != tree.Folder:
		if err = f.dir.Rename(temp, f.dir, name, at.Replace); err == nil {
			b.r.temps.drop(temp)
			return nil
		}
	default:
		if over == tree.Folder {
			b.folders.forget(a.Path)
			err = b.r.noMountIn(b.ctx, f.dir, name)
		}
		if err == nil {
			return b.swap(f, i, temp)
		}
	}
	if err != nil {
		b.r.removeTree(context.WithoutCancel(b.ctx), f.dir, temp)
	}
	b.r.temps.drop(temp)
	if errors.Is(err, syscall.EBUSY) { // a file that is a mount point
		err = fmt.Errorf("%w: %w", tree.ErrMount, err)
	}
	return err
}

// standing returns the kind of what stands at the path of a, which has to be
// what the decision was made upon.
func (b *batch) standing(f *folder, a *tree.Action) (tree.Kind, error) {
	if a.Over == tree.Absent {
		return tree.Absent, nil // the rename finds out
	}
	have, err := f.dir.Look(a.Path.Name())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tree.Absent, err
	}
	if have.Kind != a.Over {
		return tree.Absent, fmt.Errorf("%w: %v stands there", tree.ErrConflict, have.Kind)
	}
	if have.Mounted {
		return tree.Absent, tree.ErrMount
	}
	return have.Kind, nil
}

// moveNew renames to a name at which nothing may stand.
//
// RACE: where the file system has no RENAME_NOREPLACE, what appears between
// the look and the rename is replaced.
func moveNew(from *at.Dir, name string, to *at.Dir, toName string) error {
	err := from.Rename(name, to, toName, at.NoReplace)
	if errors.Is(err, at.ErrUnsupported) {
		if _, err = to.Look(toName); errors.Is(err, fs.ErrNotExist) {
			return from.Rename(name, to, toName, at.Replace)
		} else if err == nil {
			err = fs.ErrExist
		}
	}
	return taken(err)
}

// taken says in the words of the contract that a name is not free.
func taken(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: something stands there", tree.ErrConflict)
	}
	return err
}

// swap puts temp in the place of what stands at the path of action i, where a
// folder is on one of the two sides, and removes the old entry.
//
// It calls renameat2(RENAME_EXCHANGE). Where that is missing, the old entry
// steps aside first, and for a moment nothing stands there. So it is for longer
// where a folder cannot even do that: one of the lower layer of an overlay, or
// that is a subvolume of its own, is removed from its place.
func (b *batch) swap(f *folder, i int, temp string) error {
	name := b.actions[i].Path.Name()
	old := temp
	err := f.dir.Rename(temp, f.dir, name, at.Exchange)
	if errors.Is(err, at.ErrUnsupported) {
		old, err = b.stepAside(f, name, temp)
	}
	if errors.Is(err, syscall.EXDEV) {
		return b.makeRoom(f, i, temp)
	}
	if err != nil {
		b.r.removeTree(context.WithoutCancel(b.ctx), f.dir, temp)
		b.r.temps.drop(temp)
		return err
	}
	removed, err := b.r.removeTree(b.ctx, f.dir, old)
	b.r.temps.drop(old)
	b.outcomes[i].Removed = removed
	if err != nil {
		return fmt.Errorf("remove what was replaced: %w", err)
	}
	return nil
}

// makeRoom removes what stands at the path of action i and gives temp the name.
func (b *batch) makeRoom(f *folder, i int, temp string) error {
	name := b.actions[i].Path.Name()
	removed, err := b.r.removeTree(b.ctx, f.dir, name)
	b.outcomes[i].Removed = removed
	if err == nil {
		err = moveNew(f.dir, temp, f.dir, name)
	}
	if err != nil {
		b.r.removeTree(context.WithoutCancel(b.ctx), f.dir, temp)
	}
	b.r.temps.drop(temp)
	return err
}

func (b *batch) stepAside(f *folder, name, temp string) (old string, err error) {
	old = b.r.temps.name()
	if err := f.dir.Rename(name, f.dir, old, at.Replace); err != nil {
		b.r.temps.drop(old)
		return "", err
	}
	if err := f.dir.Rename(temp, f.dir, name, at.Replace); err != nil {
		err = errors.Join(err, f.dir.Rename(old, f.dir, name, at.Replace))
		b.r.temps.drop(old)
		return "", err
	}
	b.r.temps.drop(temp)
	return old, nil
}
