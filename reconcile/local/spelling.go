package local

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// spell finds out which of the names, sorted, stand for entries of the source
// that are spelled otherwise there, and gives those the source's name: to this
// replica it is the same.
func (c *comparison) spell(names []at.Name) {
	if c.r.traits.Names.Plain() {
		return
	}
	listed := make([]string, len(names))
	for i, n := range names {
		listed[i] = n.Name
	}
	c.spelling = c.r.traits.Spell(c.s.Entries, listed, func(asked []string) []tree.Found {
		found := make([]tree.Found, len(asked))
		for i, name := range asked {
			found[i].Entry, found[i].Err = lookOrAbsent(c.dir, name)
		}
		return found
	})
	if len(c.spelling.Stands) == 0 {
		return
	}
	for i := range names {
		if name, ok := c.spelling.Stands[names[i].Name]; ok {
			names[i].Name = name
		}
	}
	slices.SortFunc(names, func(a, b at.Name) int { return strings.Compare(a.Name, b.Name) })
}

// misspelled is about an entry that the replica lists by another spelling than
// it is to have.
func (c *comparison) misspelled(i int, as string) {
	e, ok := c.seen(i)
	if !ok {
		return
	}
	have, err := c.dir.Look(as)
	if err != nil {
		c.problem(e.Name, fmt.Errorf("look: %w", err))
		return
	}
	c.drift(tree.OfName, c.project(e), have)
}

// lookOrAbsent is [at.Dir.Look], for which nothing there is no error.
func lookOrAbsent(dir *at.Dir, name string) (tree.Entry, error) {
	e, err := dir.Look(name)
	if errors.Is(err, fs.ErrNotExist) {
		return tree.Entry{Name: name}, nil
	}
	return e, err
}

// listedNames tells by which name the replica lists what answers to another
// one. It lists a folder once.
type listedNames struct {
	r       *Replica
	folders map[tree.Path]map[string][]string // by folded name
}

// of returns the listed name of what was seen at path. Errors: [tree.ErrConflict]
// when none is like it: it is gone, though FUSE may remember it by this spelling
// for a second, or the file system has another rule for names.
func (l *listedNames) of(path tree.Path) (string, error) {
	folder := path.Parent()
	if l.folders[folder] == nil {
		names, err := l.r.foldedNames(folder)
		if err != nil {
			return "", err
		}
		l.folders[folder] = names
	}
	alike := l.folders[folder][tree.FoldName(path.Name())]
	switch {
	case slices.Contains(alike, path.Name()):
		return path.Name(), nil
	case len(alike) > 0:
		return alike[0], nil
	}
	return "", fmt.Errorf("%w: it is not listed by that name, or one like it", tree.ErrConflict)
}

func (r *Replica) foldedNames(path tree.Path) (map[string][]string, error) {
	folder, err := r.openFolder(path, toList)
	if err != nil {
		return nil, err
	}
	defer folder.close()
	names, err := folder.dir.Names(nil)
	if err != nil {
		return nil, err
	}
	folded := make(map[string][]string, len(names))
	for _, n := range names {
		key := tree.FoldName(n.Name)
		folded[key] = append(folded[key], n.Name)
	}
	return folded, nil
}

// isRespelling reports whether both names of a may be one name in the replica.
func (b *batch) isRespelling(a *tree.Action) bool {
	return b.r.traits.Names.Folds && a.From.Parent() == a.Path.Parent() &&
		tree.FoldName(a.From.Name()) == tree.FoldName(a.Path.Name())
}

// respell gives the entry name of dir another spelling of that name.
//
// A rename does it on most file systems. To some, and to Linux where both
// spellings have one inode, that is a rename of a name to itself, and libfuse
// puts aside what is open at the new name, which is the entry itself. There it
// goes by way of a temp. RACE: after a crash in between it is left there; the
// next pass removes it and brings the content again.
func (b *batch) respell(dir *at.Dir, name, to string) error {
	switch listed, err := whichListed(dir, name, to); {
	case err != nil:
		return err
	case !listed[0] || listed[1]:
		return fmt.Errorf("%w: %q is not the name of %q", tree.ErrConflict, name, to)
	}
	kind, _, err := dir.FSType()
	if err != nil {
		return err
	}
	if !isFUSE(kind) {
		if err := dir.Rename(name, dir, to, at.Replace); err != nil {
			return err
		}
		if listed, err := whichListed(dir, name, to); err != nil || listed[1] {
			return err
		}
	}
	return b.respellByTemp(dir, name, to)
}

// asideFor is for how long libfuse may take a name for open after it was closed.
const asideFor = 500 * time.Millisecond

func (b *batch) respellByTemp(dir *at.Dir, name, to string) error {
	temp := b.r.temps.name()
	defer b.r.temps.drop(temp)
	if err := dir.Rename(name, dir, temp, at.Replace); err != nil {
		return err
	}
	err := error(fs.ErrNotExist)
	for pause := time.Millisecond; errors.Is(err, fs.ErrNotExist) && pause < asideFor; pause *= 2 {
		var listed [2]bool
		if listed, err = whichListed(dir, name, to); err == nil && (listed[0] || listed[1]) {
			err = fmt.Errorf("%w: something stands there", tree.ErrConflict)
		}
		if err == nil {
			// A look would not do: the system may remember the name by this spelling.
			err = dir.Rename(temp, dir, to, at.Replace)
		}
		if errors.Is(err, fs.ErrNotExist) {
			time.Sleep(pause)
		}
	}
	if err != nil {
		moveNew(dir, temp, dir, name) // if it stays, the next pass removes it
		return err
	}
	listed, err := whichListed(dir, name, to)
	if err == nil && !listed[1] {
		err = fmt.Errorf("%w: it goes on listing %q as %q", tree.ErrName, to, name)
	}
	return err
}

// whichListed reports for two names whether dir lists them.
func whichListed(dir *at.Dir, one, other string) (listed [2]bool, err error) {
	names, err := dir.Names(nil)
	for _, n := range names {
		listed[0] = listed[0] || n.Name == one
		listed[1] = listed[1] || n.Name == other
	}
	return listed, err
}
