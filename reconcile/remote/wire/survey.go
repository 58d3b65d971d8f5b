package wire

import (
	"encoding/binary"

	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/blake3"
)

// FolderKey stands for a folder's path in a survey, FolderShape for its names,
// kinds and sizes, FolderSum for all that is compared of its entries.
type (
	FolderKey   [8]byte
	FolderShape [8]byte
	FolderSum   [16]byte
)

// FolderRecord is what a survey tells of one folder. A zero Sum equals none:
// something in the folder could not be read.
type FolderRecord struct {
	Key   FolderKey
	Shape FolderShape
	Sum   FolderSum
}

// FolderRecordSize is the length of a record on the wire.
const FolderRecordSize = 32

// Append appends r as it travels.
func (r FolderRecord) Append(buf []byte) []byte {
	buf = append(buf, r.Key[:]...)
	buf = append(buf, r.Shape[:]...)
	return append(buf, r.Sum[:]...)
}

// ToFolderRecord reads a record of [FolderRecordSize] bytes.
func ToFolderRecord(raw []byte) (r FolderRecord) {
	copy(r.Key[:], raw)
	copy(r.Shape[:], raw[8:])
	copy(r.Sum[:], raw[16:])
	return r
}

// Number returns k as a message has it.
func (k FolderKey) Number() uint64 { return binary.LittleEndian.Uint64(k[:]) }

// ToFolderKey reads what [FolderKey.Number] returned.
func ToFolderKey(number uint64) (k FolderKey) {
	binary.LittleEndian.PutUint64(k[:], number)
	return k
}

// KeyOf returns the key of a path.
func KeyOf(path tree.Path) FolderKey {
	sum := blake3.Sum256([]byte(path))
	return FolderKey(sum[:8])
}

// Folder gathers what a survey tells of one folder after the other. Both sides
// give it what the replica is to hold, or holds, in the order of names.
type Folder struct {
	traits     *tree.Traits
	record     FolderRecord
	shape, sum []byte
	flawed     bool
}

// Side says whose entry is added to a [Folder].
type Side bool

// Wanted is what the replica is to hold for the source's entry, Held what it
// has.
const (
	Wanted Side = false
	Held   Side = true
)

// Begin begins the folder at path, and forgets the one before. The path is part
// of its sum, so one folder is never taken for another.
func (f *Folder) Begin(t *tree.Traits, path tree.Path) {
	f.traits, f.record, f.flawed = t, FolderRecord{Key: KeyOf(path)}, false
	f.shape = f.shape[:0]
	f.sum = binary.AppendUvarint(f.sum[:0], uint64(len(path)))
	f.sum = append(f.sum, path...)
}

// Shape takes the name, kind and size of the next entry.
func (f *Folder) Shape(e *tree.Entry) {
	f.shape = binary.AppendUvarint(f.shape, uint64(len(e.Name)))
	f.shape = append(f.shape, e.Name...)
	f.shape = append(f.shape, byte(e.Kind))
	f.shape = binary.AppendUvarint(f.shape, uint64(e.Size))
}

// Add takes all of the next entry, of which leaf is the [tree.Traits.LeafDigest].
func (f *Folder) Add(e *tree.Entry, leaf *tree.Digest, side Side) {
	f.sum = binary.AppendUvarint(f.sum, uint64(len(e.Name)))
	f.sum = append(f.sum, e.Name...)
	f.sum = append(f.sum, leaf[:]...)
	f.sum = binary.LittleEndian.AppendUint32(f.sum, f.group(e, side))
	if e.Mounted && side == Held {
		f.flawed = true
	}
}

// group returns the group by which [tree.Traits.Differ] would tell two
// entries apart where owners are not kept: of a group that the server's
// process is no member of, the entry gets the first one.
func (f *Folder) group(e *tree.Entry, side Side) uint32 {
	if f.traits.Owners {
		return 0 // is in the leaf
	}
	if side == Held {
		return e.GID
	}
	for _, g := range f.traits.Groups {
		if g == e.GID {
			return g
		}
	}
	if len(f.traits.Groups) > 0 {
		return f.traits.Groups[0]
	}
	return 0
}

// Flaw notes that something could not be read.
func (f *Folder) Flaw() { f.flawed = true }

// Record returns what the survey tells.
func (f *Folder) Record() FolderRecord {
	shape, sum := blake3.Sum256(f.shape), blake3.Sum256(f.sum)
	f.record.Shape = FolderShape(shape[:8])
	if !f.flawed {
		f.record.Sum = FolderSum(sum[:16])
	}
	return f.record
}
