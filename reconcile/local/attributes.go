package local

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// bearer is what attributes are set on: an open file, or a name of a folder.
type bearer interface {
	SetOwner(uid, gid uint32) error
	SetMode(mode uint32) error
	SetTime(t tree.Time) error
	SetXattrs(want, have []tree.Xattr) error
}

// named is a name of a folder; the empty name is the folder itself. held: dir
// stands for nothing else, and is to be closed.
type named struct {
	dir  *at.Dir
	name string
	held bool
}

// hold opens what stands at name in dir, so that one and the same entry is looked
// at and changed, whatever is put in its place meanwhile: who may do that could
// else have a file that they may not even read given to them. Where the system
// cannot, it goes by the name. The caller lets go. Errors: [tree.ErrConflict] when
// nothing stands there, or no folder where one should.
func (r *Replica) hold(dir *at.Dir, name string, kind tree.Kind) (named, error) {
	if name == "" {
		return named{dir: dir}, nil
	}
	var held *at.Dir
	var err error
	if kind == tree.Folder {
		held, err = dir.Sub(tree.Path(name), at.OneMount)
	} else {
		held, err = dir.Hold(name)
	}
	switch {
	case err == nil:
		return named{dir: held, held: true}, nil
	case errors.Is(err, at.ErrUnsupported) || r.owner && errors.Is(err, fs.ErrPermission):
		return named{dir: dir, name: name}, nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, at.ErrNotFolder):
		err = fmt.Errorf("%w: %w", tree.ErrConflict, err)
	}
	return named{}, err
}

// letGo ends what hold began.
func (n named) letGo() {
	if n.held {
		n.dir.Close()
	}
}

func (n named) SetOwner(uid, gid uint32) error { return n.dir.SetOwner(n.name, uid, gid) }
func (n named) SetMode(mode uint32) error      { return n.dir.SetMode(n.name, mode) }
func (n named) SetTime(t tree.Time) error      { return n.dir.SetTime(n.name, t) }
func (n named) SetXattrs(want, have []tree.Xattr) error {
	return n.dir.SetXattrs(n.name, want, have)
}

// noMode is the mode of no entry: it differs from every other.
const noMode = ^uint32(0)

// fresh is the entry that this process makes in the folder f, as far as it is
// known without a look: by a temp of mode 0600. Its group is that of the folder,
// if that has setgid or the file system was mounted so (grpid in mount(8)), else
// that of the process.
func (r *Replica) fresh(f *folder, kind tree.Kind) tree.Entry {
	gid := f.self.GID
	if gid != r.gid && f.self.Mode&0o2000 == 0 {
		gid = at.Keep // nobody's: it is set in any case
	}
	mode := noMode
	if r.traits.Fixed {
		want, _ := r.traits.Project(tree.Entry{Kind: kind})
		mode = want.Mode
	}
	return tree.Entry{Kind: kind, Mode: mode, UID: r.uid, GID: gid, ModTime: tree.Time{Nsec: -1}}
}

// freshFile is fresh for a file that was just made in f.
func (r *Replica) freshFile(f *folder, file *at.File) (e tree.Entry, err error) {
	e = r.fresh(f, tree.File)
	if f.inherits {
		e.Xattrs, err = file.Xattrs()
	}
	return e, err
}

// setAttributes makes the attributes of b, which are have, those of want, and
// touches only what differs.
//
// The order matters: a new owner clears setuid, setgid and capabilities of all
// but folders, user attributes ask for a mode that allows writing, an ACL shares
// bits with the mode, and the time comes last because everything may change it.
// After [tree.ErrAttribute] all else is set.
func (r *Replica) setAttributes(b bearer, want, have tree.Entry) error {
	have, err := r.setOwner(b, want, have)
	if err != nil {
		return fmt.Errorf("set owner: %w", err)
	}
	acl := false
	var lacking error
	if !slices.Equal(want.Xattrs, have.Xattrs) {
		lacking = r.setXattrs(b, want.Xattrs, have.Xattrs)
		if lacking != nil && !errors.Is(lacking, tree.ErrAttribute) {
			return fmt.Errorf("set extended attributes: %w", lacking)
		}
		acl = true // the mode may have followed an ACL
	}
	if (want.Mode != have.Mode || acl) && want.Kind != tree.Symlink {
		if err := r.setMode(b, want.Mode, have); err != nil {
			return fmt.Errorf("set mode: %w", err)
		}
	}
	if want.ModTime != have.ModTime {
		if err := b.SetTime(want.ModTime); err != nil {
			return fmt.Errorf("set time: %w", err)
		}
	}
	return lacking
}

// roomForXattrs is how many free bytes say that a file system which has no room for
// an attribute is not just full: more than the largest takes (XATTR_SIZE_MAX, limits.h).
const roomForXattrs = 1 << 20

// setXattrs sets extended attributes, and tells the one that there never is room for
// from those for which there is none as long as the disk is full.
func (r *Replica) setXattrs(b bearer, want, have []tree.Xattr) error {
	var none *at.NoRoomError
	err := b.SetXattrs(want, have)
	if !errors.As(err, &none) {
		return err
	}
	if free, err := r.root.Space(); err != nil || free < roomForXattrs {
		return none
	}
	// There was less room before that was seen, maybe, and before others shrank.
	if err = b.SetXattrs(want, have); !errors.As(err, &none) {
		return err
	}
	return fmt.Errorf("%w: %q of %d bytes", tree.ErrAttribute, none.Name, none.Bytes)
}

// setAttributes is [Replica.setAttributes] for the current action, which is as good
// as done without the attribute that there is no room for.
func (b *batch) setAttributes(on bearer, want, have tree.Entry) error {
	err := b.r.setAttributes(on, want, have)
	if !errors.Is(err, tree.ErrAttribute) {
		return err
	}
	out := &b.outcomes[b.current]
	if out.Err = fmt.Errorf("set extended attributes: %w", err); out.Differed == tree.OfXattrs {
		out.Did = tree.None
	}
	return nil
}

// setOwner gives b its owner and group, and returns what it has then. Rights that
// it is not to have any more go before: the new owner and group are not to get
// them for the moment.
func (r *Replica) setOwner(b bearer, want, have tree.Entry) (tree.Entry, error) {
	uid, gid := at.Keep, at.Keep
	if r.traits.Owners && want.UID != have.UID {
		uid = want.UID
	}
	if want.GID != have.GID && (r.traits.Owners || slices.Contains(r.traits.Groups, want.GID)) {
		gid = want.GID
	}
	if uid == at.Keep && gid == at.Keep {
		return have, nil
	}
	if common := have.Mode & want.Mode; have.Mode != noMode && have.Mode != common && want.Kind != tree.Symlink {
		if err := r.setMode(b, common, have); err != nil {
			return have, err
		}
		have.Mode = common
	}
	if err := b.SetOwner(uid, gid); err != nil {
		return have, err
	}
	if want.Kind != tree.Folder {
		have.Mode &^= lendingBits
		have.Xattrs = without(have.Xattrs, "security.capability")
	}
	return have, nil
}

// lendingBits are setuid and setgid.
const lendingBits = 0o6000

// setMode leaves the mode of a folder that is widened at the moment to the end
// of its loan.
func (r *Replica) setMode(b bearer, mode uint32, have tree.Entry) error {
	if have.Kind != tree.Folder || have.ID == (tree.ID{}) || !r.mayLend() {
		return b.SetMode(mode)
	}
	return r.lent.setMode(have.ID, mode, b.SetMode)
}

func without(xattrs []tree.Xattr, name string) []tree.Xattr {
	i := slices.IndexFunc(xattrs, func(x tree.Xattr) bool { return x.Name == name })
	if i < 0 {
		return xattrs
	}
	return slices.Delete(slices.Clone(xattrs), i, i+1)
}
