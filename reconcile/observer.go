package reconcile

import (
	"time"

	"lockstep/reconcile/tree"
)

// Observer is told what happens, as it happens. Calls come from many
// goroutines at once and hold up the mirror while they last.
type Observer interface {
	// Acted: the replica was changed, in this order, by what took effect
	// together.
	Acted([]Acted)
	// PassStarted and PassDone frame a pass; passes never overlap.
	PassStarted(PassCause)
	PassDone(Report)
	// Held: removals are being held for a reason that did not hold before;
	// Released: that reason is gone.
	Held(Hold)
	Released(Hold)
	// Problem: something went wrong at a path, told once until it changes, and
	// for one cause of so many paths at most;
	// Solved: the path is well again.
	Problem(Problem)
	Solved(tree.Path)
	// Lost: the replica cannot hold a class of attributes, told once.
	Lost(class tree.Attributes, path tree.Path)
}

// Acted is one change that was made to the replica.
type Acted struct {
	Action tree.ActionKind
	Path   tree.Path
	From   tree.Path
	Kind   tree.Kind
	// Differed are the classes that were not equal before.
	Differed tree.Attributes
	// Bytes of content written, entries removed.
	Bytes   int64
	Removed int
	Elapsed time.Duration
	Cause   Cause
	// Follows: only a folder's time was put back after a change below it.
	Follows bool
}

// Problem is what went wrong at one path; the rest goes on.
type Problem struct {
	Path    tree.Path
	Err     error
	Attempt int
}

// PassCause says why a pass began.
type PassCause string

// The causes of a pass.
const (
	AtStart     PassCause = "start"
	AtInterval  PassCause = "interval"
	OnRetry     PassCause = "retry" // the last one could not compare everything
	OnRequest   PassCause = "request"
	OnOverflow  PassCause = "overflow"
	OnReturn    PassCause = "return"
	OnResume    PassCause = "resume"
	OnReconnect PassCause = "reconnect"
)

// Report is what a pass found and what became of it.
type Report struct {
	Cause PassCause
	// Compared entries of the source; Files and Folders are parts of it.
	Compared, Files, Folders int64
	// BytesRead on both sides together.
	BytesRead int64
	// Drift is how many paths differed. Of them, Repaired were made equal
	// (Removed among them), Held wait for the guard; the rest was gone again
	// or is among the Problems.
	Drift, Repaired, Removed, Held, Problems int64
	// Skipped counts sockets, which no replica holds.
	Skipped int64
	// Lost counts, by class, what this replica cannot hold; entries that it
	// has no means to create are lost as [tree.OfExistence].
	Lost    [tree.AttributeClasses]int64
	Elapsed time.Duration
	// Digest is the Merkle digest of the source as it was mirrored; zero
	// when Equal is false.
	Digest tree.Digest
	// Equal: every path was compared or repaired, and nothing is held.
	Equal bool

	// retry: another pass soon may do better than this one.
	retry bool
}

// Hold is a reason to hold removals, with the remedy in words.
type Hold struct {
	Reason HoldReason
	// Path is where the reason lies; the root for most.
	Path tree.Path
	// Count is how many removals it holds as far as is known.
	Count  int
	Remedy string
}

// HoldReason is why the guard holds removals.
type HoldReason string

// The reasons of the guard.
const (
	SourceMissing   HoldReason = "source is missing"
	SourceUnread    HoldReason = "source cannot be read for now"
	SourceReplaced  HoldReason = "source is another folder than at the start"
	SourceEmpty     HoldReason = "source is empty and nobody saw it being emptied"
	SourceStrange   HoldReason = "every name at the top of the source changed and nobody saw it"
	MountGone       HoldReason = "a file system inside the source is no longer mounted"
	TooManyRemovals HoldReason = "more removals than --max-delete allows"
)

// Status is the state of a mirror at a glance.
type Status struct {
	// Passing: a pass is under way; Files and Bytes are what it has compared,
	// TotalFiles and TotalBytes what it expects, 0 when not known.
	Passing           bool
	PassBegan         time.Time
	Files, TotalFiles int64
	Bytes, TotalBytes int64
	Waiting           int
	Problems          int
	Held              []Hold
	LastProof         time.Time
	LastDigest        tree.Digest
}
