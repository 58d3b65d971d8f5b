package local

import (
	"errors"
	"fmt"
	"io/fs"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// stage brings the content for action i into the replica, where it waits for
// its name. It returns none when the replica's file has that content already,
// and then has set what else differed.
func (b *batch) stage(i int) (s staged, err error) {
	a, out := &b.actions[i], &b.outcomes[i]
	b.current = i
	f, err := b.folders.get(a.Path.Parent())
	if err != nil {
		return s, err
	}
	if a.Open == nil {
		return s, fmt.Errorf("no content: %w", fs.ErrInvalid)
	}
	content, err := a.Open()
	if err != nil {
		return s, err
	}
	defer content.Close()
	out.Entry = content.Entry()
	out.Entry.Name = a.Path.Name()
	want, _ := b.r.traits.Project(out.Entry)
	out.Did, out.Differed = tree.Copy, tree.OfExistence
	if a.Over == tree.File {
		out.Did = tree.Update
	}
	if a.Over != tree.Absent {
		done, err := b.settleInPlace(f, i, content, want)
		if done || err != nil {
			return s, err
		}
	}
	if s, out.Digest, err = b.write(f, a, content, want); err == nil {
		out.Bytes = want.Size
	}
	return s, err
}

// settleInPlace sets the attributes of a file that has the content already,
// and reports whether nothing more is to be done. It also sees whether what
// stands there is what the decision was made upon.
func (b *batch) settleInPlace(f *folder, i int, content tree.Content, want tree.Entry) (bool, error) {
	a, out := &b.actions[i], &b.outcomes[i]
	have, err := f.dir.Look(a.Path.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && have.Kind != a.Over {
		return false, fmt.Errorf("%w: %v stands there", tree.ErrConflict, have.Kind)
	}
	if err != nil {
		return false, err
	}
	if have.Mounted {
		return false, tree.ErrMount
	}
	if have.Kind != tree.File {
		out.Differed = tree.OfKind
		return false, nil
	}
	file, have, err := openReplica(f.dir, a.Path.Name())
	if errors.Is(err, fs.ErrPermission) {
		// Its owner may have locked itself out; a new file replaces it.
		out.Differed = tree.OfContent
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	out.Differed = b.r.traits.Differ(want, have)
	if out.Differed.Has(tree.OfContent) {
		return false, nil
	}
	m := match{ctx: b.ctx, source: content, replica: file, size: want.Size, hash: a.Hash}
	equal, digest, err := m.run()
	if err != nil { // it became shorter, say: nothing is known of the rest
		return false, err
	}
	if !equal {
		out.Differed |= tree.OfContent
		return false, nil
	}
	if err := content.Changed(); err != nil && !(a.Unsettled && errors.Is(err, tree.ErrChanged)) {
		return false, err
	}
	if a.Fresh || a.Want.Links <= 1 && have.Links > 1 {
		// Shared with a name that is none of the mirror's: what is set here
		// would be seen there.
		out.Differed |= tree.OfLinks
		return false, nil
	}
	out.Digest, out.Did = digest, tree.None
	if out.Differed == 0 {
		return true, nil
	}
	out.Did = tree.Metadata
	return true, b.setAttributes(file, want, have)
}

// openReplica opens the file name of dir with its complete entry. Errors:
// [tree.ErrConflict] when something else stands there.
func openReplica(dir *at.Dir, name string) (*at.File, tree.Entry, error) {
	file := new(at.File)
	var e tree.Entry
	if err := openReplicaIn(file, &e, dir, name); err != nil {
		return nil, tree.Entry{}, err
	}
	return file, e, nil
}

// openReplicaIn is openReplica into file and e, for who opens one after the
// other.
func openReplicaIn(file *at.File, e *tree.Entry, dir *at.Dir, name string) error {
	err := dir.OpenIn(file, name)
	if errors.Is(err, at.ErrNotFile) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", tree.ErrConflict, err)
	}
	if err != nil {
		return err
	}
	*e, err = file.Entry()
	if err == nil && e.Kind != tree.File {
		err = fmt.Errorf("%w: %v stands there", tree.ErrConflict, e.Kind)
	}
	if err == nil {
		e.Name = name
		e.Xattrs, err = file.Xattrs()
	}
	if err != nil {
		file.Close()
	}
	return err
}

// write makes a complete file: without a name where nothing stands at the one
// it is for, which costs less than two names one after the other and leaves
// nothing behind where it does not come to that; else, or where that cannot be
// done, under the name of a temp.
func (b *batch) write(f *folder, a *tree.Action, content tree.Content, want tree.Entry) (staged, tree.Digest, error) {
	follower, follows := content.(tree.Staged)
	if follows && follower.Named() || a.Over != tree.Absent || !b.r.unnamed.reserve() {
		temp, digest, err := b.writeTemp(f, a, content, want)
		return staged{temp: temp}, digest, err
	}
	file, err := b.r.unnamed.create(f, want)
	if err != nil {
		return staged{}, tree.Digest{}, err
	}
	have, err := b.r.freshFile(f, file.File)
	if file.mode != noMode {
		have.Mode = file.mode
	}
	var digest tree.Digest
	if err == nil {
		digest, err = b.fill(file.File, have, a, content, want)
	}
	if err != nil {
		file.close()
		return staged{}, tree.Digest{}, err
	}
	if follows {
		follower.Unnamed(file)
	}
	return staged{file: file}, digest, nil
}

// writeTemp makes a complete file under the name of a temp: open(O_EXCL, 0600),
// content, owner, extended attributes, mode, time, fsync if files are synced
// one by one, close. The temp is gone after every error.
func (b *batch) writeTemp(f *folder, a *tree.Action, content tree.Content, want tree.Entry) (string, tree.Digest, error) {
	temp := b.r.temps.name()
	file, err := f.dir.CreateFile(temp)
	if err != nil {
		b.r.temps.drop(temp)
		return "", tree.Digest{}, err
	}
	follower, follows := content.(tree.Staged)
	if follows {
		follower.Staging(temp)
	}
	have, err := b.r.freshFile(f, file)
	var digest tree.Digest
	if err == nil {
		digest, err = b.fill(file, have, a, content, want)
	}
	if err == nil {
		var made tree.ID
		if made, err = file.Identity(); err == nil {
			b.r.temps.identify(temp, made)
		}
	}
	if follows && err != nil {
		follower.Unfinished(file)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		b.unlinkTemp(f, temp)
		return "", tree.Digest{}, err
	}
	return temp, digest, nil
}

// fill makes the new file, which has have, what it is to be.
func (b *batch) fill(file *at.File, have tree.Entry, a *tree.Action, content tree.Content, want tree.Entry) (tree.Digest, error) {
	t := transfer{
		ctx: b.ctx, from: content, to: file, size: want.Size, hash: a.Hash,
		synced: b.r.options.Durability != NeverSync,
	}
	digest, err := t.run()
	if err != nil {
		return digest, err
	}
	// Before anything is published: what was read is one version, or a prefix
	// of what is still being written, if that was allowed.
	if err := content.Changed(); err != nil && !(a.Unsettled && errors.Is(err, tree.ErrChanged)) {
		return digest, err
	}
	if err := b.setAttributes(file, want, have); err != nil {
		return digest, err
	}
	if b.each && b.r.options.Durability != NeverSync {
		err = file.Sync()
	}
	return digest, err
}

func (b *batch) unlinkTemp(f *folder, temp string) {
	f.dir.Unlink(temp) // if it stays, the next pass removes it
	b.r.temps.drop(temp)
}

// discard removes what was staged for d.
func (b *batch) discard(d deferred) {
	if d.file != nil {
		d.file.close()
		return
	}
	f, err := b.folders.get(b.actions[d.index].Path.Parent())
	if err != nil {
		b.r.temps.drop(d.temp)
		return
	}
	b.unlinkTemp(f, d.temp)
}
