package tree

import (
	"encoding/binary"
	"encoding/hex"
	"slices"

	outer "github.com/zeebo/blake3"

	"lockstep/reconcile/tree/blake3"
)

// Digest is a BLAKE3 hash of 256 bits
// (https://github.com/BLAKE3-team/BLAKE3-specs).
type Digest [32]byte

// String returns d as 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d is the zero Digest, which stands for "not known".
func (d Digest) IsZero() bool { return d == Digest{} }

// The first byte of what is hashed for the inner nodes and the leaves of the
// Merkle tree: no leaf can be taken for a folder (RFC 6962, section 2.1).
const (
	leafMark   = 0
	folderMark = 1
	linksMark  = 2
)

// LeafDigest returns the digest of an entry by its kind, attributes and
// content; the name belongs to the folder that holds it. content is the
// BLAKE3 hash of a file's bytes and ignored for every other kind. e should
// come from [Traits.Project], so that both sides of a mirror agree.
func (t Traits) LeafDigest(e Entry, content Digest) Digest {
	return blake3.Sum256(t.appendLeaf(make([]byte, 0, 256), &e, content))
}

// appendLeaf appends what a leaf digest is the hash of.
func (t *Traits) appendLeaf(buf []byte, e *Entry, content Digest) []byte {
	buf = append(buf, leafMark, byte(e.Kind))
	if e.Kind != Symlink { // the mode of a symlink is the system's, not the user's
		buf = binary.LittleEndian.AppendUint32(buf, e.Mode)
	}
	if t.Owners {
		buf = binary.LittleEndian.AppendUint32(buf, e.UID)
		buf = binary.LittleEndian.AppendUint32(buf, e.GID)
	}
	buf = binary.LittleEndian.AppendUint64(buf, uint64(e.ModTime.Sec))
	buf = binary.LittleEndian.AppendUint32(buf, uint32(e.ModTime.Nsec))
	switch e.Kind {
	case File:
		buf = binary.LittleEndian.AppendUint64(buf, uint64(e.Size))
		buf = append(buf, content[:]...)
	case Symlink:
		buf = appendString(buf, e.Link)
	case CharDevice, BlockDevice:
		buf = binary.LittleEndian.AppendUint64(buf, e.Device)
	}
	for _, x := range e.Xattrs {
		buf = appendString(buf, x.Name)
		buf = appendString(buf, x.Value)
	}
	return buf
}

// FolderHash makes the digest of one folder from its own leaf and, in the
// order of their names, its entries.
type FolderHash struct{ buf []byte }

// NewFolderHash begins with the folder's own [Traits.LeafDigest].
func NewFolderHash(self Digest) *FolderHash {
	return &FolderHash{append([]byte{folderMark}, self[:]...)}
}

// Grow makes room for so many further entries with names of so many bytes together.
func (h *FolderHash) Grow(entries, nameBytes int) {
	h.buf = slices.Grow(h.buf, entries*(binary.MaxVarintLen16+len(Digest{}))+nameBytes)
}

// Add takes the next entry; names must come in ascending order of bytes.
func (h *FolderHash) Add(name string, digest Digest) {
	h.buf = appendString(h.buf, name)
	h.buf = append(h.buf, digest[:]...)
}

// Sum returns the digest of what was added.
func (h *FolderHash) Sum() Digest { return blake3.Sum256(h.buf) }

// LinksDigest binds the groups of hard links to the digest of a tree. Groups
// hold paths in ascending order, and come in the order of their first path.
// Without groups it returns root itself.
func LinksDigest(root Digest, groups [][]Path) Digest {
	if len(groups) == 0 {
		return root
	}
	h := outer.New()
	buf := append([]byte{linksMark}, root[:]...)
	for _, group := range groups {
		buf = binary.AppendUvarint(buf, uint64(len(group)))
		for _, p := range group {
			buf = appendString(buf, string(p))
		}
		h.Write(buf)
		buf = buf[:0]
	}
	return Digest(h.Sum(nil))
}

func appendString(buf []byte, s string) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(s)))
	return append(buf, s...)
}
