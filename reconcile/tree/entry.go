package tree

import "time"

// Kind is what sort of thing stands at a path. The zero Kind is [Absent].
type Kind uint8

// The kinds of entries. Sockets are never mirrored: they mean something only
// to the process that bound them.
const (
	Absent Kind = iota
	File
	Folder
	Symlink
	FIFO
	CharDevice
	BlockDevice
	Socket
)

var kindNames = [...]string{"nothing", "file", "folder", "symlink", "fifo", "char device", "block device", "socket"}

// String returns the word that logs and messages use for k.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown kind"
}

// Time is a point in time with the full range and grain of a Unix time stamp.
// Two stamps are the same time exactly when the values are equal; nothing
// here asks which of two is later.
type Time struct {
	Sec  int64
	Nsec int32
}

// TimeOf converts t.
func TimeOf(t time.Time) Time { return Time{t.Unix(), int32(t.Nanosecond())} }

// Time converts t to the local time zone.
func (t Time) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// ID tells entries of one machine apart while both exist: device and inode
// number. File systems hand a number out again once its entry is gone.
type ID struct{ Dev, Ino uint64 }

// Xattr is one extended attribute. POSIX ACLs travel as the attributes
// system.posix_acl_access and system.posix_acl_default (acl(5), xattr(7)).
type Xattr struct {
	Name  string
	Value string
}

// The attributes in which Linux keeps POSIX ACLs.
const (
	ACLAccess  = "system.posix_acl_access"
	ACLDefault = "system.posix_acl_default"
)

// Entry is what a tree has at a path. The zero Entry says that nothing is
// there. Entries are values: nobody changes one that was handed out.
type Entry struct {
	// Name is the last component of the path; "" for the root.
	Name string
	Kind Kind
	// Mode has the permission bits with setuid, setgid and sticky (07777).
	Mode     uint32
	UID, GID uint32
	// Size is the length of a file in bytes, 0 for every other kind.
	Size    int64
	ModTime Time
	// Link is the text of a symlink, raw bytes.
	Link string
	// Device is the number of a device node as the file system has it.
	Device uint64
	// Xattrs are the mirrored extended attributes, sorted by name. Lists of
	// a folder leave them out for files: see [SourceFolder.List].
	Xattrs []Xattr

	// What follows belongs to the tree that the entry was read from and is
	// never copied. Mounted: the entry is the root of a mount, which a file
	// can be, too. Links: how many names the entry has on its file system.
	Mounted    bool
	ID         ID
	Links      uint32
	ChangeTime Time
}

// Several reports whether e has more than one name on its file system, which
// no folder can have; the names of a socket do not count.
func (e Entry) Several() bool {
	return e.Links > 1 && e.Kind != Folder && e.Kind != Socket && e.Kind != Absent
}

// Bare reports whether e is a file that was not looked at: only its name and
// kind are known. See [SourceFolder.Names].
func (e Entry) Bare() bool { return e.Kind == File && e.ID == ID{} }

// Same reports whether e and f were read from one and the same unchanged
// version of an entry: equal identity, kind, size and both times.
func (e Entry) Same(f Entry) bool {
	return e.ID == f.ID && e.Kind == f.Kind && e.Size == f.Size &&
		e.ModTime == f.ModTime && e.ChangeTime == f.ChangeTime
}
