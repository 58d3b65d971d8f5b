package local

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/text/unicode/norm"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// Names that are tried. everything holds all that some file system refuses, so
// that one file tells that this one takes each.
const (
	trialCase = "Lockstep"
	trialForm = "\u00e9"
	allBytes  = "a" + tree.WindowsRefused + "\xff "
	dotEnd    = "dot."
	spaceEnd  = "space "
	device    = "CON"
	noUTF8    = "not\xffUTF-8"
)

// nameTrial makes files in an empty folder to see what becomes of their names.
type nameTrial struct{ dir *at.Dir }

// run finds out what names the file system takes, and how.
func (t nameTrial) run() (n tree.Names, err error) {
	if err := t.folding(&n); err != nil {
		return n, err
	}
	for _, name := range []string{allBytes, dotEnd, device} {
		if taken, err := t.takes(name); err != nil {
			return n, err
		} else if !taken {
			if err := t.refusals(&n); err != nil {
				return n, err
			}
			break
		}
	}
	return n, t.longest(&n)
}

// folding makes a file and looks for it under another spelling, and sees which
// one the folder lists.
func (t nameTrial) folding(n *tree.Names) error {
	for _, trial := range []struct {
		name, other string
		loses       *bool
	}{
		{trialCase, strings.ToUpper(trialCase), &n.LosesCase},
		{trialForm, norm.NFD.String(trialForm), &n.LosesForm},
	} {
		listed, err := t.make(trial.name)
		if err != nil {
			return err
		}
		if listed == "" {
			continue
		}
		*trial.loses = listed != trial.name
		_, err = t.dir.Look(trial.other)
		n.Folds = n.Folds || *trial.loses || err == nil
		if err := t.dir.Unlink(trial.name); err != nil {
			return err
		}
	}
	return nil
}

// refusals tries one by one what a name could hold.
func (t nameTrial) refusals(n *tree.Names) error {
	for _, c := range []byte(tree.WindowsRefused) {
		taken, err := t.takes("a" + string(c) + "b")
		if err != nil {
			return err
		}
		if !taken {
			n.Refused += string(c)
		}
	}
	for _, trial := range []struct {
		name    string
		refused *bool
	}{
		{dotEnd, &n.NoDotEnd}, {spaceEnd, &n.NoSpaceEnd}, {device, &n.NoDevices}, {noUTF8, &n.UTF8},
	} {
		taken, err := t.takes(trial.name)
		if err != nil {
			return err
		}
		*trial.refused = !taken
	}
	return nil
}

// longest searches for the length of the longest name, if that is less than
// usual.
func (t nameTrial) longest(n *tree.Names) error {
	most, above := 1, tree.MaxName+1
	for length := tree.MaxName; above-most > 1; length = (most + above) / 2 {
		taken, err := t.takes(strings.Repeat("n", length))
		if err != nil {
			return err
		}
		if taken {
			most = length
		} else {
			above = length
		}
	}
	if most < tree.MaxName {
		n.Longest = most
	}
	return nil
}

// takes reports whether a file can have the name, and removes it again.
func (t nameTrial) takes(name string) (bool, error) {
	listed, err := t.make(name)
	if err != nil || listed == "" {
		return false, err
	}
	return tree.FoldName(listed) == tree.FoldName(name), t.dir.Unlink(name)
}

// make makes a file and returns by which name the folder lists it, "" when the
// name is refused.
func (t nameTrial) make(name string) (listed string, err error) {
	before, err := t.dir.Names(nil)
	if err != nil {
		return "", err
	}
	file, err := t.dir.CreateFile(name)
	if err != nil {
		if refusesName(err) {
			err = nil
		}
		return "", err
	}
	file.Close()
	known := map[string]bool{}
	for _, n := range before {
		known[n.Name] = true
	}
	after, err := t.dir.Names(nil)
	for _, n := range after {
		if !known[n.Name] {
			return n.Name, err
		}
	}
	return "", err
}

// refusesName reports whether err, of making something, says that its name
// will not do.
func refusesName(err error) bool {
	return isRefusal(err) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EILSEQ)
}
