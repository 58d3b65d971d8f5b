// Package wire is what a client and a server of a remote replica say to each
// other, over any stream of bytes: a greeting that each side can read whatever
// the other's version is, and then calls by gRPC. It turns the words of
// package tree into messages and back, and believes no message: whatever is
// out of bounds is an error, before memory is taken for it.
package wire

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative wire.proto

import (
	"time"

	"lockstep/reconcile/tree"
)

// Limits that every reader holds.
const (
	// MaxMessage is the longest message in bytes that either side takes.
	MaxMessage = 2 << 20
	// MaxPiece is how much a sender gathers in one message; an entry with
	// large attributes may go beyond it.
	MaxPiece = 256 << 10
	// MaxPath is the longest path in bytes. PATH_MAX does not bound what a
	// folder handle reaches; this does.
	MaxPath = 64 << 10
	// MaxLink is the longest text of a symlink (PATH_MAX of Linux, limits.h).
	MaxLink = 4096
	// MaxXattrs bounds the extended attributes of one entry, names and
	// values together: more than XATTR_LIST_MAX and several values of
	// XATTR_SIZE_MAX (xattr(7)).
	MaxXattrs = 1 << 20
	// MaxListing is the longest listing of one folder, of entries of which
	// each has [ListedSize]: of ten million, which is what ext4 takes (ext4(5),
	// large_dir), and which the client keeps until it has compared them.
	MaxListing = 1 << 30
	// MaxCalls is how many calls a client may have under way: for each, a few
	// megabytes may wait at the server to be read.
	MaxCalls = 16
	// MaxBatches is how many batches a server carries out at once for a client;
	// others wait.
	MaxBatches = 8
	// MaxActions is how many actions a batch may have, and MaxLook how many
	// paths a look.
	MaxActions = 4096
	MaxLook    = 4096
	// MaxBatch is the longest batch, of actions of which each has [ActionSize],
	// for a client; a server takes one with [MaxAction] more. An action may be
	// longer than all others of its batch.
	MaxBatch  = 4 << 20
	MaxAction = MaxXattrs + 2*MaxPath + MaxLink + 4096
	// MaxSteps is how many chunks one message may offer.
	MaxSteps = 16384
	// MaxChunk is the longest chunk that is sent; a hole may be longer.
	MaxChunk = 1 << 20
	// maxParts is how many parts a message may have: messages in it, and
	// elements of its lists of bytes. Two bytes say that there is one, and what
	// is made of these takes a hundred times as much. What a sender gathers has
	// fewer, however short the attributes of its entries are.
	maxParts = 1 << 15
	// maxGreeting is the longest body of a greeting.
	maxGreeting = MaxPath + 4096
	// maxText is how much of a text from the other side is shown.
	maxText = 600
)

// A dead link is noticed after PingAfter and PingWait together; both ends ask.
const (
	PingAfter = 15 * time.Second
	PingWait  = 20 * time.Second
)

// ChunkID is the part of a chunk's BLAKE3 hash that names it. Whatever is
// built of chunks is held against the whole digest of the content.
type ChunkID [16]byte

// ChunkIDOf returns the name of a chunk with that hash.
func ChunkIDOf(hash tree.Digest) ChunkID { return ChunkID(hash[:16]) }
