package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"lockstep/reconcile/tree"
)

var (
	// errUnplacedAbove: a folder above the path has no place in the replica.
	// That is told there.
	errUnplacedAbove = errors.New("a folder above has no place in the replica")
	// errNowhere: neither side has the path, nor could the replica have it.
	errNowhere = errors.New("stands nowhere")
)

// placing knows, for one batch, which names of the source the replica has a
// place for. Only replicas of which [tree.Names] is not plain need it.
type placing struct {
	// folders has the entries of the source's folders that the replica can
	// hold, by folded name and sorted; above why what is in a folder has no
	// place.
	folders map[tree.Path]namesakes
	above   map[tree.Path]error
}

// namesakes are entries by folded name, or why they are not known.
type namesakes struct {
	entries map[string][]tree.Entry
	err     error
}

// checkNames gives up, before the replica hears of them, paths with names that
// it does not take.
func (b *batch) checkNames() {
	names := b.m.traits.Names
	if names.Plain() {
		return
	}
	for _, l := range b.looks {
		if l.err != nil || l.path == tree.Root {
			continue
		}
		err := names.Check(l.path.Name())
		for above := range strings.SplitSeq(string(l.path.Parent()), "/") {
			if err == nil && above != "" && names.Check(above) != nil {
				err = errUnplacedAbove
			}
		}
		if err != nil {
			l.unplace(err)
		}
	}
}

// unplace gives l up, for which the replica has no place.
func (l *look) unplace(err error) {
	if l.want.Kind == tree.Absent {
		err = errNowhere
	}
	l.err, l.alone = err, false
}

// spell sorts out which entry of the replica belongs to which path, where one
// entry answers to several names.
func (b *batch) spell(ctx context.Context) {
	if !b.m.traits.Names.Folds {
		return
	}
	b.placing = placing{}
	for _, l := range b.looks {
		if l.err != nil || l.alone || l.path == tree.Root {
			continue
		}
		err := b.above(ctx, l.path.Parent())
		switch {
		case err != nil:
		case l.want.Kind != tree.Absent:
			err = b.claimName(ctx, l)
		case l.have.Kind != tree.Absent:
			err = b.disclaimName(ctx, l)
		}
		if errors.Is(err, errUnplacedAbove) {
			l.unplace(err)
		} else if err != nil {
			l.err = err
		}
	}
}

// above returns errUnplacedAbove when a folder at or above path has no place.
func (b *batch) above(ctx context.Context, path tree.Path) error {
	if path == tree.Root {
		return nil
	}
	if err, known := b.placing.above[path]; known {
		return err
	}
	err := b.above(ctx, path.Parent())
	if err == nil {
		var first string
		if first, _, err = b.winner(ctx, path); first != "" {
			err = errUnplacedAbove
		}
	}
	if b.placing.above == nil {
		b.placing.above = map[tree.Path]error{}
	}
	b.placing.above[path] = err
	return err
}

// claimName is about a path that the source has: another entry there may have
// its name in the replica, or what is to be that entry is spelled otherwise.
func (b *batch) claimName(ctx context.Context, l *look) error {
	first, found, err := b.winner(ctx, l.path)
	switch {
	case err != nil:
		return err
	case first != "" && (found.Kind != tree.Absent || l.attempt > quietAttempts):
		return tree.TwinOf(first)
	case first != "":
		b.m.queue.suggest(l.path.Parent().Join(first), dirt{cause: l.cause})
		return fmt.Errorf("%w: %q comes first", tree.ErrConflict, first)
	case found != nil:
		l.hint, l.have = nil, *found
	}
	l.misspelled = ""
	if l.have.Kind != tree.Absent && !b.m.traits.Names.Gives(l.have.Name, l.path.Name()) {
		l.misspelled = l.have.Name
	}
	return nil
}

// disclaimName is about a path that the source does not have: what answers to
// it in the replica may be, or become, another entry of the source.
func (b *batch) disclaimName(ctx context.Context, l *look) error {
	heirs, err := b.alike(l.path)
	if err != nil {
		return err
	}
	claimed := false
	for i, found := range b.m.replica.Look(ctx, heirs) {
		if found.Err != nil {
			return found.Err
		}
		if found.Entry.Kind != tree.Absent && found.Entry.Name == l.have.Name {
			b.m.queue.add(heirs[i], dirt{cause: l.cause})
			claimed = true
		}
	}
	l.heirs = heirs
	if l.have.Name != l.path.Name() && !claimed {
		b.m.queue.add(l.path.Parent().Join(l.have.Name), dirt{cause: l.cause})
		claimed = true
	}
	if claimed {
		l.have = tree.Entry{Name: l.path.Name()}
	}
	return nil
}

// winner returns the first name in the folder of path that is one name with it
// in the replica, or may be as neither stands there yet; "" if there is none.
// found is what the replica has at path, nil when it was not asked.
func (b *batch) winner(ctx context.Context, path tree.Path) (first string, found *tree.Entry, err error) {
	others, err := b.alike(path)
	before := slices.IndexFunc(others, func(other tree.Path) bool { return other > path })
	if before >= 0 {
		others = others[:before]
	}
	if err != nil || len(others) == 0 {
		return "", nil, err
	}
	all := b.m.replica.Look(ctx, append(others, path))
	self := all[len(others)]
	if self.Err != nil {
		return "", nil, self.Err
	}
	for i, other := range all[:len(others)] {
		if other.Err != nil {
			return "", nil, other.Err
		}
		stands, otherStands := self.Entry.Kind != tree.Absent, other.Entry.Kind != tree.Absent
		one := stands == otherStands && (!stands || self.Entry.Name == other.Entry.Name)
		if one || stands && self.Entry.Name == others[i].Name() { // it came between the two looks
			return others[i].Name(), &self.Entry, nil
		}
	}
	return "", &self.Entry, nil
}

// alike returns the other paths in the source's folder that may be one name
// with path in the replica, and for which it has a place, sorted.
func (b *batch) alike(path tree.Path) ([]tree.Path, error) {
	folder := path.Parent()
	names, known := b.placing.folders[folder]
	if !known {
		names = b.namesakes(folder)
		if b.placing.folders == nil {
			b.placing.folders = map[tree.Path]namesakes{}
		}
		b.placing.folders[folder] = names
	}
	var others []tree.Path
	for _, e := range names.entries[tree.FoldName(path.Name())] {
		if e.Name != path.Name() {
			others = append(others, folder.Join(e.Name))
		}
	}
	return others, names.err
}

func (b *batch) namesakes(folder tree.Path) namesakes {
	f, err := b.m.source.Folder(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return namesakes{}
	}
	if err != nil {
		return namesakes{err: err}
	}
	defer f.Close()
	entries, err := f.List()
	all := map[string][]tree.Entry{}
	for _, e := range entries {
		if b.m.projected(e).Kind != tree.Absent && b.m.traits.Names.Check(e.Name) == nil {
			key := tree.FoldName(e.Name)
			all[key] = append(all[key], e)
		}
	}
	return namesakes{all, err}
}

// respell gives what the replica has for l the spelling that it is to have.
func (b *batch) respell(ctx context.Context, l *look) {
	m := b.m
	from := l.path.Parent().Join(l.misspelled)
	as := l.have
	as.Name = l.path.Name()
	action := tree.Action{Kind: tree.Rename, Path: l.path, From: from, Want: as}
	began := time.Now()
	o := m.replica.Apply(ctx, []tree.Action{action})[0]
	if o.Err != nil {
		b.fail(ctx, l, o.Err)
		return
	}
	m.acted(action, o, l.cause, time.Since(began))
	b.lookAgain(l) // others lost their place, maybe
	l.misspelled = ""
	l.deep = l.want.Kind == tree.Folder
	b.lookAnew(l)
}

// sparesHeirs reports whether the source has no more names that may be one with
// l's than it had when l was looked at.
func (b *batch) sparesHeirs(l *look) bool {
	if !b.m.traits.Names.Folds {
		return true
	}
	heirs, err := b.alike(l.path)
	return err == nil && slices.Equal(heirs, l.heirs)
}

// lookAgain makes dirty what has a name like one that was removed or renamed: the
// source may have got that name meanwhile, and the replica's entry for it gone
// with the other.
func (b *batch) lookAgain(changed ...*look) {
	if !b.m.traits.Names.Folds {
		return
	}
	b.placing = placing{}
	for _, l := range changed {
		b.dirtyAlike(l.path, l.cause)
	}
}

func (b *batch) dirtyAlike(path tree.Path, cause Cause) {
	heirs, _ := b.alike(path) // what cannot be listed is in trouble anyway
	for _, heir := range heirs {
		b.m.queue.add(heir, dirt{cause: cause})
	}
}

// hasHeirs reports whether the source has, or may have, a name like path now.
func (b *batch) hasHeirs(path tree.Path) bool {
	if !b.m.traits.Names.Folds {
		return false
	}
	b.placing = placing{}
	heirs, err := b.alike(path)
	return err != nil || len(heirs) > 0
}
