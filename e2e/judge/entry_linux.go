package judge

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Tree is what a folder holds: an entry for each path below it, and one for the folder itself under ".".
// Paths are slash-separated raw bytes.
type Tree map[string]Entry

// Entry is everything at one path that a mirror has to carry over.
type Entry struct {
	Kind       string // file, folder, symlink, fifo, socket, device
	Mode       uint32 // the permission bits with setuid, setgid and sticky
	UID, GID   uint32
	MtimeNs    int64
	Size       int64 // of files only
	Content    [sha256.Size]byte
	Link       string // raw text of a symlink
	Device     string // kind and numbers of a device node
	Twin       string // the first of several paths that share an inode
	Attributes map[string]string

	hole  bool  // whether the file has a hole
	data  int64 // bytes of a file that are not in holes
	inode inode
	names uint64 // names the inode has, inside and outside the tree
}

// inode identifies what a hard link points at.
type inode struct{ device, number uint64 }

// holeSlack is how much more data than its source a sparse replica may hold: file systems round the edges of holes differently.
const holeSlack = 256 << 10

func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "folder"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}

// Differences lists what keeps replica from being equal to source, sorted by path: what is missing, what is additional, and each
// property that differs. It is empty when they are equal. Sockets of the source are not expected in the replica.
func Differences(source, replica Tree) []string {
	var found []string
	for path, want := range source {
		if want.Kind == "socket" {
			continue
		}
		have, ok := replica[path]
		if !ok {
			found = append(found, fmt.Sprintf("%q: missing %s", path, want.Kind))
			continue
		}
		for _, what := range unlike(want, have) {
			found = append(found, fmt.Sprintf("%q: %s", path, what))
		}
	}
	for path, have := range replica {
		if want, ok := source[path]; !ok || want.Kind == "socket" {
			found = append(found, fmt.Sprintf("%q: additional %s", path, have.Kind))
		}
	}
	slices.Sort(found)
	return found
}

// unlike says in which properties have is not as want.
func unlike(want, have Entry) []string {
	if want.Kind != have.Kind {
		return []string{fmt.Sprintf("is a %s, not a %s", have.Kind, want.Kind)}
	}
	var found []string
	differ := func(unequal bool, format string, values ...any) {
		if unequal {
			found = append(found, fmt.Sprintf(format, values...))
		}
	}
	differ(want.Mode != have.Mode, "mode %04o, not %04o", have.Mode, want.Mode)
	differ(want.UID != have.UID || want.GID != have.GID, "owner %d:%d, not %d:%d", have.UID, have.GID, want.UID, want.GID)
	differ(want.MtimeNs != have.MtimeNs, "modified %d ns, not %d ns", have.MtimeNs, want.MtimeNs)
	differ(want.Size != have.Size, "%d bytes, not %d bytes", have.Size, want.Size)
	differ(want.Size == have.Size && want.Content != have.Content, "other content in the same %d bytes", want.Size)
	differ(want.Link != have.Link, "points to %q, not to %q", have.Link, want.Link)
	differ(want.Device != have.Device, "device %s, not %s", have.Device, want.Device)
	differ(want.Twin != have.Twin, "hard link of %q, not of %q", have.Twin, want.Twin)
	differ(!maps.Equal(want.Attributes, have.Attributes), "attributes %q, not %q", have.Attributes, want.Attributes)
	differ(want.hole && have.data > want.data+holeSlack, "holes filled: %d bytes of data, not %d", have.data, want.data)
	return found
}

// link fills in Twin: entries that share an inode name the first path of their group.
func link(tree Tree) {
	first := map[inode]string{}
	shared := map[inode]bool{}
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		entry := tree[path]
		if entry.Kind == "folder" || entry.names < 2 {
			continue
		}
		if _, ok := first[entry.inode]; ok {
			shared[entry.inode] = true
		} else {
			first[entry.inode] = path
		}
	}
	for path, entry := range tree {
		if shared[entry.inode] {
			entry.Twin = first[entry.inode]
			tree[path] = entry
		}
	}
}

// mirrored reports whether a mirror has to carry the extended attribute over.
func mirrored(name string, privileged bool) bool {
	if strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "system.posix_acl_") {
		return true
	}
	return privileged && (name == "security.capability" || strings.HasPrefix(name, "trusted."))
}
