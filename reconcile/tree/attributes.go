package tree

import (
	"slices"
	"strings"
)

// Attributes is a set of the ways in which two entries can differ.
type Attributes uint16

// The classes of attributes. OfContent stands for the bytes of a file, the
// text of a symlink and the number of a device, OfName for the spelling of a
// name where the replica takes several for one.
const (
	OfExistence Attributes = 1 << iota
	OfKind
	OfContent
	OfMode
	OfModTime
	OfOwner
	OfXattrs
	OfACL
	OfLinks
	OfName
)

var attributeNames = [...]string{"existence", "kind", "content", "mode", "mtime", "owner", "xattrs", "acl", "hard links", "name"}

// AttributeClasses is the number of classes that [Attributes] knows.
const AttributeClasses = len(attributeNames)

// Has reports whether a holds every class of b.
func (a Attributes) Has(b Attributes) bool { return a&b == b }

// Names returns the words for the classes in a, in their fixed order.
func (a Attributes) Names() []string {
	var names []string
	for i, name := range attributeNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String joins Names with commas.
func (a Attributes) String() string { return strings.Join(a.Names(), ", ") }

// The bits of a mode that lend the owner's or the group's rights.
const lendingBits = 0o6000

// Traits say what a replica can hold. They are found once, when the replica
// is opened, and do not change while it is open.
type Traits struct {
	// Owners: uid and gid are kept as numbers. Else only gids in Groups are,
	// and setuid and setgid only where owner and group come out right anyway.
	Owners bool
	UID    uint32
	Groups []uint32

	// Fixed: every file has the mode FileMode and every folder FolderMode,
	// whatever is asked for.
	Fixed                bool
	FileMode, FolderMode uint32

	Devices, FIFOs, Symlinks bool
	// HardLinks: a file can have several names. SpecialLinks: so can symlinks,
	// FIFOs and devices.
	HardLinks, SpecialLinks bool
	// UserXattrs is user.*; SystemXattrs is security.capability and
	// trusted.*, which only a privileged process may set.
	UserXattrs, SystemXattrs, ACLs bool

	// TimeStep is the grain of modification times in nanoseconds: 1 on most
	// file systems, 1e9 or 2e9 on some.
	TimeStep int64
	// Earliest and Latest are the bounds of modification times in seconds
	// since 1970; both 0 where there are none. What lies beyond becomes the
	// bound itself.
	Earliest, Latest int64
	// Names says what the names of entries can be.
	Names Names
}

// Full are the traits of a replica that holds everything, as a privileged
// process has it on a native file system.
func Full() Traits {
	return Traits{
		Owners: true, Devices: true, FIFOs: true, Symlinks: true, HardLinks: true, SpecialLinks: true,
		UserXattrs: true, SystemXattrs: true, ACLs: true, TimeStep: 1,
	}
}

// Project returns what the replica is to hold for the source's entry e, and
// the classes in which that is less than e. A Kind of [Absent] says that the
// replica holds nothing for e: sockets, and what it has no means to create.
// For a process that may not give files away, UID and GID of the result are
// those that the replica's entry will have, and so is the mode where it is
// fixed.
func (t Traits) Project(e Entry) (want Entry, lost Attributes) {
	want = e
	lost = t.ProjectIn(&want)
	return want, lost
}

// ProjectIn is [Traits.Project] in place, for who has many.
func (t *Traits) ProjectIn(want *Entry) (lost Attributes) {
	if !t.holdsKind(want.Kind) {
		*want = Entry{Name: want.Name}
		return OfExistence
	}
	if !t.Owners {
		lost |= t.projectOwner(want)
	}
	if t.Fixed {
		lost |= t.projectMode(want)
	}
	if held := t.projectTime(want.ModTime); held != want.ModTime {
		want.ModTime = held
		lost |= OfModTime
	}
	if len(want.Xattrs) > 0 {
		lost |= t.projectXattrs(want)
	}
	return lost
}

// projectTime does what Linux does to a time that it sets: see
// timestamp_truncate in its fs/inode.c.
func (t *Traits) projectTime(at Time) Time {
	if t.Earliest != t.Latest {
		switch {
		case at.Sec <= t.Earliest:
			return Time{Sec: t.Earliest}
		case at.Sec >= t.Latest:
			return Time{Sec: t.Latest}
		}
	}
	switch step := t.TimeStep; {
	case step > 1e9:
		return Time{Sec: at.Sec - at.Sec%(step/1e9)}
	case step > 1:
		at.Nsec -= at.Nsec % int32(step)
	}
	return at
}

func (t *Traits) holdsKind(k Kind) bool {
	switch k {
	case File, Folder:
		return true
	case Symlink:
		return t.Symlinks
	case FIFO:
		return t.FIFOs
	case CharDevice, BlockDevice:
		return t.Devices
	default:
		return false
	}
}

// HoldsLinks reports whether an entry of kind k can have several names.
func (t Traits) HoldsLinks(k Kind) bool {
	switch k {
	case File:
		return t.HardLinks
	case Folder, Absent:
		return false
	default:
		return t.SpecialLinks && t.holdsKind(k)
	}
}

// Pair returns what a comparison tells of an entry that has more than one name
// on either side; false where neither has, or where it is not the same kind.
func (t Traits) Pair(want, have Entry) (Linked, bool) {
	if want.Kind != have.Kind || !t.HoldsLinks(want.Kind) || want.Links <= 1 && have.Links <= 1 {
		return Linked{}, false
	}
	return Linked{
		Name: want.Name, Kind: want.Kind, Source: want.ID, Replica: have.ID,
		SourceLinks: want.Links, ReplicaLinks: have.Links,
	}, true
}

// projectOwner strips the bits that would lend the rights of the wrong owner
// or group.
func (t *Traits) projectOwner(want *Entry) (lost Attributes) {
	if want.UID != t.UID || !slices.Contains(t.Groups, want.GID) {
		if want.Kind == File && want.Mode&lendingBits != 0 {
			want.Mode &^= lendingBits
			lost |= OfMode
		}
	}
	want.UID = t.UID
	return lost
}

func (t *Traits) projectMode(want *Entry) (lost Attributes) {
	mode := t.FileMode
	switch want.Kind {
	case Symlink:
		return 0
	case Folder:
		mode = t.FolderMode
	}
	if want.Mode != mode {
		lost = OfMode
	}
	want.Mode = mode
	return lost
}

func (t *Traits) projectXattrs(want *Entry) (lost Attributes) {
	held := make([]Xattr, 0, len(want.Xattrs))
	for _, x := range want.Xattrs {
		switch {
		case x.Name == ACLAccess || x.Name == ACLDefault:
			if !t.ACLs {
				lost |= OfACL
				continue
			}
		case strings.HasPrefix(x.Name, "user."):
			if !t.UserXattrs {
				lost |= OfXattrs
				continue
			}
		case !t.SystemXattrs:
			lost |= OfXattrs
			continue
		}
		held = append(held, x)
	}
	want.Xattrs = held
	return lost
}

// Differ returns the classes in which the replica's entry have is not what
// [Traits.Project] wants for it. It compares everything but the bytes of
// files, of which it sees the size alone. Links and identities are not
// compared: whether names belong together shows only over a whole tree.
func (t Traits) Differ(want, have Entry) Attributes {
	switch {
	case want.Kind == have.Kind:
	case want.Kind == Absent || have.Kind == Absent:
		return OfExistence
	default:
		return OfKind
	}
	var d Attributes
	if want.Size != have.Size || want.Link != have.Link || want.Device != have.Device {
		d |= OfContent
	}
	if want.Mode != have.Mode && want.Kind != Symlink {
		d |= OfMode
	}
	if want.ModTime != have.ModTime {
		d |= OfModTime
	}
	if t.Owners && (want.UID != have.UID || want.GID != have.GID) ||
		!t.Owners && want.GID != have.GID && slices.Contains(t.Groups, want.GID) {
		d |= OfOwner
	}
	return d | differXattrs(want.Xattrs, have.Xattrs)
}

// differXattrs walks two sorted lists.
func differXattrs(want, have []Xattr) (d Attributes) {
	for len(want) > 0 || len(have) > 0 {
		var name string
		switch {
		case len(have) == 0 || len(want) > 0 && want[0].Name < have[0].Name:
			name, want = want[0].Name, want[1:]
		case len(want) == 0 || have[0].Name < want[0].Name:
			name, have = have[0].Name, have[1:]
		case want[0].Value == have[0].Value:
			want, have = want[1:], have[1:]
			continue
		default:
			name, want, have = want[0].Name, want[1:], have[1:]
		}
		if name == ACLAccess || name == ACLDefault {
			d |= OfACL
		} else {
			d |= OfXattrs
		}
	}
	return d
}
