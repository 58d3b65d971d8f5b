package tree

import (
	"context"
	"errors"
	"syscall"
)

// What callers test for. Every error that leaves a [Source] or a [Replica]
// names the path at most once.
var (
	// ErrChanged: the source's entry changed while it was read. Look again.
	ErrChanged = errors.New("changed while it was read")
	// ErrConflict: the replica no longer holds what the decision was made
	// upon. Look again.
	ErrConflict = errors.New("replica changed meanwhile")
	// ErrNoParent: the replica has no folder to put the path into.
	ErrNoParent = errors.New("parent folder is missing in the replica")
	// ErrAttribute: the replica's file system has no room for an extended
	// attribute of this size. All else is as it is to be.
	ErrAttribute = errors.New("the replica's file system has no room for this attribute")
	// ErrMount: a mount point stands in the way; nothing at or below it is
	// written or removed.
	ErrMount = errors.New("mount point inside the replica")
	// ErrSourceMissing: nothing that could be read stands at the source root.
	ErrSourceMissing = errors.New("source is missing")
	// ErrSourceReplaced: the source root is not the folder from the start.
	ErrSourceReplaced = errors.New("source is another folder than at the start")
	// ErrReplicaReplaced: the replica root is not the folder from the start.
	ErrReplicaReplaced = errors.New("replica is another folder than at the start")
	// ErrUnreachable: the replica as a whole does not answer. Nothing is
	// wrong with the path; try again when it is back.
	ErrUnreachable = errors.New("replica is out of reach")
)

// IsFull reports whether err says that there is no room at the moment.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Replica is the tree that is written, and the only one. Whole batches are
// handed over, so that a replica behind a network costs a round trip for a
// batch and not for a path. Safe for concurrent use on paths of which none is
// the same as or below another; the engine's queue sees to that.
//
// Implementations hold these promises by themselves, whatever they are asked:
// no operation leaves the root or follows a symlink; a file appears under its
// name complete or not at all; nothing is written or removed at or below a
// mount point.
type Replica interface {
	// Traits say what the replica can hold.
	Traits() Traits
	// ID identifies the root folder on this machine; the zero ID elsewhere.
	ID() ID
	// Check returns [ErrReplicaReplaced] or [ErrUnreachable] when the
	// replica is not to be written now, else nil.
	Check() error
	// Look returns what stands at each path, in the order of paths. A
	// missing parent is no error: nothing stands there.
	Look(ctx context.Context, paths []Path) []Found
	// Compare tells how the replica's folder differs from the source's, one
	// level deep. It changes nothing.
	Compare(ctx context.Context, s Subject) (Comparison, error)
	// Count returns how many entries stand at and below path, and stops
	// counting at limit.
	Count(ctx context.Context, path Path, limit int) (int, error)
	// Apply carries out actions and returns an outcome for each, in their
	// order. Actions of one batch take effect in the order given, except
	// that content may be staged for all of them beforehand. One that goes
	// wrong does not stop the others. After an error a path holds its old
	// entry or none, never a part of the new one; but see [Outcome.Done].
	Apply(ctx context.Context, actions []Action) []Outcome
	// Flush returns when everything applied so far would survive a crash,
	// unless the replica was asked to leave that to the system.
	Flush(ctx context.Context) error
	// Close gives the replica up for others to write.
	Close() error
}

// Found is what [Replica.Look] says of one path: an entry (Absent if nothing
// stands there) or why it is not known. Where [Names.Folds], the entry's name is
// the one by which the replica lists it.
type Found struct {
	Entry Entry
	Err   error
}

// Method says how the content of files of equal size is compared.
type Method uint8

// The methods, the strictest first.
const (
	// ByContent reads every byte of both sides.
	ByContent Method = iota
	// ByCache reads again what changed since its digest was taken, by
	// git's racily-clean rule (Documentation/technical/racy-git.txt).
	ByCache
	// ByMetadata trusts size and modification time.
	ByMetadata
)

// Subject is a folder of the source that a replica is to compare itself with.
type Subject struct {
	Path   Path
	Folder SourceFolder
	// Entries is the complete list of the source's folder. Those that are bare
	// are completed in place when they are seen.
	Entries []Entry
	Method  Method
	// Alone: it is no part of a comparison of both trees, which begins with
	// the root and comes to each folder once.
	Alone bool
	// Read, if not nil, is called with the bytes read as work goes on.
	// Safe for concurrent use.
	Read func(bytes int64)
}

// Comparison is what [Replica.Compare] found.
type Comparison struct {
	// Leaves has for each of the Subject's entries its [Traits.LeafDigest];
	// zero for folders, for entries that the replica does not hold, and
	// where Drift says that the content is still to be brought over.
	Leaves []Digest
	// Drift lists what differs, sorted by name.
	Drift []Drift
	// Linked lists what has more than one name on either side, stands on both
	// as the same kind, and can have several in the replica.
	Linked []Linked
	// Problems lists entries that could not be compared.
	Problems []Problem
	// Lost counts, by class, what the replica cannot hold of the entries.
	Lost [AttributeClasses]int
	// Bytes is how much was read on both sides together.
	Bytes int64
}

// Drift is one difference. Have.Kind is [Absent] for a missing entry and
// Want.Kind for an additional one; both entries bear the name, but for Have
// where it differs [OfName].
type Drift struct {
	Differs    Attributes
	Want, Have Entry
}

// Name returns the name that d is about.
func (d Drift) Name() string { return d.Want.Name }

// Linked pairs the identities of one entry on both sides.
type Linked struct {
	Name                      string
	Kind                      Kind
	Source, Replica           ID
	SourceLinks, ReplicaLinks uint32
}

// Problem is what went wrong at one name of a folder.
type Problem struct {
	Name string
	Err  error
}

// ActionKind is one of the changes that can be made to a replica.
type ActionKind uint8

// The kinds of actions. None is the zero kind: nothing was to be done.
const (
	None ActionKind = iota
	// Create makes a folder, symlink, FIFO or device node.
	Create
	// Copy brings over a file that the replica does not have.
	Copy
	// Update brings over a file of which the replica has another version.
	// Where the bytes turn out to be equal, only attributes are set.
	Update
	// Link gives the file that stands at From one more name.
	Link
	// Rename moves what stands at From; nothing may stand at Path.
	Rename
	// Metadata sets attributes of what stands at Path.
	Metadata
	// Remove removes what stands at Path, a folder with all below it.
	Remove
)

var actionNames = [...]string{"none", "create", "copy", "update", "link", "rename", "metadata", "remove"}

// String returns the word that logs use for k.
func (k ActionKind) String() string {
	if int(k) < len(actionNames) {
		return actionNames[k]
	}
	return "unknown action"
}

// Action is one change to a replica. Afterwards the path holds what
// [Traits.Project] makes of Want (nothing, for Remove).
type Action struct {
	Kind ActionKind
	Path Path
	// From is another path of the replica, for Link and Rename.
	From Path
	Want Entry
	// Over is the kind that the decision saw at Path: what is replaced in
	// one step (a folder with all below it). Anything else standing there
	// is [ErrConflict].
	Over Kind
	// Open opens the content for Copy and Update. What it then says of
	// itself counts, should it differ from Want. The replica closes it.
	Open func() (Content, error)
	// Hash asks for the digest of the content in the outcome.
	Hash bool
	// Fresh says that a new inode is wanted even where nothing else differs:
	// the old one has names that are none of the mirror's. Update then makes
	// one, as Create always does.
	Fresh bool
	// Unsettled allows a file that keeps changing to be published as a
	// prefix as long as it was when it was opened.
	Unsettled bool
	// Follows marks a Metadata action that only puts a folder's time back
	// after something below it was changed.
	Follows bool
}

// Outcome is what became of an [Action].
type Outcome struct {
	// Did is what was really done; None when nothing had to be.
	Did ActionKind
	// Differed are the classes that were not as wanted.
	Differed Attributes
	// Bytes is the length of content written.
	Bytes int64
	// Removed counts entries removed, the path itself included.
	Removed int
	// Entry is the source's entry as it was mirrored; only a Content knows
	// the last word on a file.
	Entry Entry
	// Digest is the hash of a file's content, if asked for.
	Digest Digest
	Err    error
}

// Done reports whether the path holds the new entry, but for an attribute maybe
// ([ErrAttribute]).
func (o Outcome) Done() bool { return o.Err == nil || errors.Is(o.Err, ErrAttribute) }
