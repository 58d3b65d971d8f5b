package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lockstep/reconcile/tree"
)

// FromEntry puts e into a message.
func FromEntry(e tree.Entry) *Entry {
	m := &Entry{}
	PutEntry(m, e)
	return m
}

// PutEntry puts e into a message that may have held another one, and uses the
// room that this had.
func PutEntry(m *Entry, e tree.Entry) {
	m.Name, m.Link = append(m.Name[:0], e.Name...), append(m.Link[:0], e.Link...)
	m.Kind, m.Mode, m.Uid, m.Gid = uint32(e.Kind), e.Mode, e.UID, e.GID
	m.Size, m.Seconds, m.Nanoseconds = e.Size, e.ModTime.Sec, uint32(e.ModTime.Nsec)
	m.Device, m.Mounted, m.Dev, m.Ino, m.Links = e.Device, e.Mounted, e.ID.Dev, e.ID.Ino, e.Links
	m.Xattrs = nil
	for _, x := range e.Xattrs {
		m.Xattrs = append(m.Xattrs, &Xattr{Name: []byte(x.Name), Value: []byte(x.Value)})
	}
}

// ToEntry reads an entry that has to make sense.
func ToEntry(m *Entry) (tree.Entry, error) {
	e := tree.Entry{
		Name: string(m.GetName()), Kind: tree.Kind(m.GetKind()), Mode: m.GetMode(), UID: m.GetUid(), GID: m.GetGid(),
		Size: m.GetSize(), ModTime: tree.Time{Sec: m.GetSeconds(), Nsec: int32(m.GetNanoseconds())},
		Link: string(m.GetLink()), Device: m.GetDevice(), Mounted: m.GetMounted(),
		ID: tree.ID{Dev: m.GetDev(), Ino: m.GetIno()}, Links: m.GetLinks(),
	}
	switch {
	case m == nil:
		return e, errors.New("entry: missing")
	case m.Kind > uint32(tree.Socket):
		return e, fmt.Errorf("entry: kind %d is unknown", m.Kind)
	case m.Nanoseconds >= 1e9:
		return e, fmt.Errorf("entry: %d nanoseconds", m.Nanoseconds)
	}
	if len(m.Xattrs) > 0 {
		e.Xattrs = make([]tree.Xattr, 0, len(m.Xattrs))
	}
	for _, x := range m.Xattrs {
		e.Xattrs = append(e.Xattrs, tree.Xattr{Name: string(x.GetName()), Value: string(x.GetValue())})
	}
	return e, CheckEntry(e)
}

// CheckEntry holds an entry against the bounds of what travels. It has to make
// sense.
func CheckEntry(e tree.Entry) error {
	switch {
	case e.Size < 0 || e.Kind != tree.File && e.Size != 0:
		return fmt.Errorf("entry: a %v of %d bytes", e.Kind, e.Size)
	case e.Mode > 0o7777:
		return fmt.Errorf("entry: mode %#o", e.Mode)
	case e.ModTime.Nsec < 0 || e.ModTime.Nsec >= 1e9:
		return fmt.Errorf("entry: %d nanoseconds", e.ModTime.Nsec)
	case len(e.Link) > MaxLink || strings.ContainsRune(e.Link, 0) || e.Kind != tree.Symlink && e.Link != "":
		return fmt.Errorf("entry: a %v with a symlink's text of %d bytes", e.Kind, len(e.Link))
	}
	if e.Name != "" {
		if err := tree.CheckName(e.Name); err != nil {
			return fmt.Errorf("entry: %w", err)
		}
	}
	return checkXattrs(e.Xattrs)
}

// checkXattrs takes a list that is sorted. Only what is mirrored may be in it:
// nothing that would give the server's process orders of its own.
func checkXattrs(list []tree.Xattr) error {
	room := 0
	for i, x := range list {
		room += len(x.Name) + len(x.Value)
		if x.Name == "" || len(x.Name) > tree.MaxName || strings.ContainsRune(x.Name, 0) || room > MaxXattrs {
			return errors.New("entry: extended attributes are out of bounds")
		}
		if i > 0 && list[i-1].Name >= x.Name {
			return errors.New("entry: extended attributes are not sorted")
		}
	}
	return nil
}

// RoughSize is about how long an entry is on the wire.
func RoughSize(e tree.Entry) int {
	size := 64 + len(e.Name) + len(e.Link)
	for _, x := range e.Xattrs {
		size += 8 + len(x.Name) + len(x.Value)
	}
	return size
}

// ListedSize is about how long an entry is in a listing, with what went wrong
// with it.
func ListedSize(e tree.Entry, err error) int {
	size := RoughSize(e) + len(tree.Digest{})
	if err != nil {
		size += maxText
	}
	return size
}

// ToPath reads a path that has to be one.
func ToPath(raw []byte) (tree.Path, error) {
	if len(raw) > MaxPath { // before it is copied
		return "", fmt.Errorf("path of %d bytes is too long", len(raw))
	}
	p := tree.Path(raw)
	return p, checkPath(p)
}

func checkPath(p tree.Path) error {
	if len(p) > MaxPath {
		return fmt.Errorf("path of %d bytes is too long", len(p))
	}
	return p.Check()
}

// ToDigest reads a digest; none is the zero digest.
func ToDigest(raw []byte) (d tree.Digest, err error) {
	if len(raw) == 0 {
		return d, nil
	}
	if len(raw) != len(d) {
		return d, fmt.Errorf("digest of %d bytes", len(raw))
	}
	return tree.Digest(raw), nil
}

// FromTraits puts t into a message.
func FromTraits(t tree.Traits) *Traits {
	return &Traits{
		Owners: t.Owners, Uid: t.UID, Groups: t.Groups, Devices: t.Devices, Fifos: t.FIFOs, Symlinks: t.Symlinks,
		HardLinks: t.HardLinks, SpecialLinks: t.SpecialLinks, UserXattrs: t.UserXattrs, SystemXattrs: t.SystemXattrs, Acls: t.ACLs,
		TimeStep: t.TimeStep, Earliest: t.Earliest, Latest: t.Latest, Fixed: t.Fixed, FileMode: t.FileMode, FolderMode: t.FolderMode, Names: fromNames(t.Names),
	}
}

func fromNames(n tree.Names) *Names {
	return &Names{
		Folds: n.Folds, LosesCase: n.LosesCase, LosesForm: n.LosesForm, Refused: []byte(n.Refused), NoDotEnd: n.NoDotEnd,
		NoSpaceEnd: n.NoSpaceEnd, NoDevices: n.NoDevices, Utf8: n.UTF8, Longest: uint32(n.Longest),
	}
}

func toNames(m *Names) tree.Names {
	return tree.Names{
		Folds: m.GetFolds(), LosesCase: m.GetLosesCase(), LosesForm: m.GetLosesForm(), Refused: string(m.GetRefused()), NoDotEnd: m.GetNoDotEnd(),
		NoSpaceEnd: m.GetNoSpaceEnd(), NoDevices: m.GetNoDevices(), UTF8: m.GetUtf8(), Longest: int(m.GetLongest()),
	}
}

// ToTraits reads traits.
func ToTraits(m *Traits) (tree.Traits, error) {
	t := tree.Traits{
		Owners: m.GetOwners(), UID: m.GetUid(), Groups: slices.Clone(m.GetGroups()), Devices: m.GetDevices(),
		FIFOs: m.GetFifos(), Symlinks: m.GetSymlinks(), HardLinks: m.GetHardLinks(), SpecialLinks: m.GetSpecialLinks(), UserXattrs: m.GetUserXattrs(),
		SystemXattrs: m.GetSystemXattrs(), ACLs: m.GetAcls(), TimeStep: m.GetTimeStep(), Earliest: m.GetEarliest(), Latest: m.GetLatest(),
		Fixed: m.GetFixed(), FileMode: m.GetFileMode(), FolderMode: m.GetFolderMode(), Names: toNames(m.GetNames()),
	}
	n := t.Names
	if t.TimeStep < 1 || t.TimeStep > 1e12 || t.Earliest > t.Latest || len(t.Groups) > 1<<16 || t.FileMode|t.FolderMode > 0o7777 ||
		len(n.Refused) > 255 || n.Longest < 0 || n.Longest > tree.MaxName {
		return t, errors.New("what the server's file system holds makes no sense")
	}
	return t, nil
}
