package local

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// maxSample is how many entries are looked at to find out what a replica that
// is only read can hold.
const maxSample = 512

// fatKind is which of the FAT file systems of the kernel it is, if one.
type fatKind uint8

const (
	notFAT       fatKind = iota
	fatOfSeconds         // counts two of them at once
	exFAT
)

// tellsChanges reports whether file systems of a type tell when an entry was
// changed last, whatever times it was given: FAT has no room for that, and a
// program that serves one may take the time of modification for it.
func tellsChanges(kind uint64) bool { return isFAT(kind) == notFAT && !isFUSE(kind) }

// sample is what a look at some entries of a replica tells.
type sample struct {
	files, folders map[uint32]int // by mode
	owners         map[[2]uint32]int
	changes        map[int32]int // nanoseconds of change times
	entries        int
	// folds: a name was found by another spelling; sensitive: it was not. upper
	// and composed: a name with such letters is listed.
	sensitive, folds bool
	upper, composed  bool
}

// inferTraits takes the traits of a replica that nothing may be written to from
// what stands there: getdents, statx, and statx by another spelling.
func (r *Replica) inferTraits() error {
	s := sample{files: map[uint32]int{}, folders: map[uint32]int{}, owners: map[[2]uint32]int{}, changes: map[int32]int{}}
	kind, _, err := r.root.FSType()
	if err != nil {
		return err
	}
	self, err := r.root.Self()
	if err != nil {
		return err
	}
	s.note(self)
	folders := []tree.Path{tree.Root}
	for len(folders) > 0 && s.entries < maxSample {
		below := s.list(r, folders[0])
		folders = append(folders[1:], below...)
	}
	t := &r.traits
	t.TimeStep = s.timeStep()
	fat := isFAT(kind)
	if fat == fatOfSeconds {
		t.TimeStep = 2e9
	}
	t.Earliest, t.Latest = timesOf(kind, t.TimeStep)
	if !s.folds && fat == notFAT {
		return nil
	}
	t.Names.Folds = true
	t.Names.LosesCase, t.Names.LosesForm = !s.upper, !s.composed
	if fat == notFAT && (hasModes(kind) || !s.uniform()) {
		return nil
	}
	s.fix(t)
	if fat != notFAT || t.TimeStep >= 1e7 { // FAT and exFAT; NTFS counts 100 ns
		t.Devices, t.FIFOs, t.Symlinks, t.HardLinks, t.SpecialLinks = false, false, false, false, false
		t.UserXattrs = false
	} else {
		t.Names.NoDotEnd, t.Names.NoSpaceEnd, t.Names.NoDevices = true, true, true
	}
	return nil
}

// list notes what stands in one folder, and returns the folders in it.
func (s *sample) list(r *Replica, path tree.Path) (below []tree.Path) {
	folder, err := r.openFolder(path, toList)
	if err != nil {
		return nil
	}
	defer folder.close()
	names, err := folder.dir.Names(nil)
	if err != nil {
		return nil
	}
	listed := make(map[string]bool, len(names))
	for _, n := range names {
		listed[n.Name] = true
	}
	for _, n := range names {
		if s.entries >= maxSample {
			break
		}
		e, err := folder.dir.Look(n.Name)
		if err != nil {
			continue
		}
		s.note(e)
		s.spelling(folder.dir, n.Name, listed)
		if e.Kind == tree.Folder && !e.Mounted {
			below = append(below, path.Join(n.Name))
		}
	}
	return below
}

func (s *sample) note(e tree.Entry) {
	s.entries++
	if e.ChangeTime != (tree.Time{}) { // else this system does not tell it
		s.changes[e.ChangeTime.Nsec]++
	}
	s.owners[[2]uint32{e.UID, e.GID}]++
	switch e.Kind {
	case tree.File:
		s.files[e.Mode]++
	case tree.Folder:
		s.folders[e.Mode]++
	}
}

// spelling looks for name by another one.
func (s *sample) spelling(dir *at.Dir, name string, listed map[string]bool) {
	s.upper = s.upper || strings.ContainsFunc(name, unicode.IsUpper)
	s.composed = s.composed || norm.NFD.String(name) != name
	if s.folds || s.sensitive {
		return
	}
	other := strings.ToUpper(name)
	if other == name {
		other = strings.ToLower(name)
	}
	if other == name || listed[other] || len(other) > tree.MaxName {
		return
	}
	_, err := dir.Look(other)
	s.folds, s.sensitive = err == nil, err != nil
}

// leastChance is against what odds change times, which nobody can set, must
// all fall on whole steps before that is taken for the file system's clock.
const leastChance = 1e8

func (s *sample) timeStep() int64 {
	for step := int64(1e9); step > 1; step /= 10 {
		whole := true
		for nsec := range s.changes {
			whole = whole && int64(nsec)%step == 0
		}
		if whole && math.Pow(float64(step), float64(len(s.changes))) >= leastChance {
			return step
		}
	}
	return 1
}

// uniform reports whether all entries have one owner, and all of a kind one
// mode: so it looks where neither is kept.
func (s *sample) uniform() bool {
	return len(s.owners) == 1 && len(s.folders) == 1 && len(s.files) <= 1
}

// fix takes the modes of the sample for those of the file system.
func (s *sample) fix(t *tree.Traits) {
	t.Fixed = true
	t.FolderMode = mostFrequent(s.folders)
	t.FileMode = t.FolderMode
	if len(s.files) > 0 {
		t.FileMode = mostFrequent(s.files)
	}
	t.Owners, t.Groups, t.ACLs, t.SystemXattrs = false, nil, false, false
	t.Names.Refused, t.Names.UTF8 = tree.WindowsRefused, true
}

func mostFrequent(modes map[uint32]int) (most uint32) {
	for mode, n := range modes {
		if n > modes[most] || n == modes[most] && mode < most {
			most = mode
		}
	}
	return most
}

// Assumed says in words what a replica that is only read was seen to hold less
// than a native file system; "" for nothing.
func (r *Replica) Assumed() string {
	if !r.options.ReadOnly || r.root == nil {
		return ""
	}
	var less []string
	t := r.traits
	if t.Fixed {
		less = append(less, "no owners and no modes")
	}
	if !t.Symlinks {
		less = append(less, "no symlinks, FIFOs or hard links")
	}
	if t.TimeStep > 1 {
		less = append(less, fmt.Sprintf("times in steps of %g s", float64(t.TimeStep)/1e9))
	}
	switch n := t.Names; {
	case n.LosesCase:
		less = append(less, "one name for A and a, in whatever case")
	case n.Folds:
		less = append(less, "one name for A and a")
	}
	return strings.Join(less, ", ")
}
