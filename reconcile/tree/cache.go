package tree

import "time"

// Cache remembers the digests of the contents of one tree's files for
// [ByCache], outside of both trees. Safe for concurrent use.
type Cache interface {
	// Folder returns what is known of the files of the folder at path.
	Folder(path Path) CachedFolder
}

// CachedFolder is what a [Cache] knows of one folder. One goroutine, which asks
// for and notes each name at most once.
type CachedFolder interface {
	// Digest returns the digest of a file's content if that very version of it
	// was noted: nothing of it can have changed since.
	Digest(e Entry) (d Digest, known bool)
	// Note takes the digest of a version that was read from begun on, as it was
	// when it was opened. One so young that a write which came later could have
	// left the same stamps is not kept.
	Note(e Entry, d Digest, begun time.Time)
	// Keep keeps what was still the same or noted, drops the rest, and is the
	// last call.
	Keep()
}
