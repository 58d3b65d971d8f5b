package tree

import "io"

// Source is a tree that is read and never written: the contract has no call
// that could change it. Safe for concurrent use.
type Source interface {
	// Check looks at the root anew and returns nil when it is the folder
	// that it was at the start. Errors: [ErrSourceMissing],
	// [ErrSourceReplaced] (another folder or another file system stands
	// there; reading goes on from it, removals must not).
	Check() error
	// Folder opens the folder at path without following a symlink on the
	// way. The caller closes it. Errors: [fs.ErrNotExist] only when the
	// nearest existing parent was really read and says so or the path leads
	// through something that is no folder; everything else means "unknown".
	Folder(path Path) (SourceFolder, error)
	// ID identifies the root folder.
	ID() ID
	// Close releases the root. Open folders stay usable.
	Close() error
}

// SourceFolder is an open folder of a source. It stays the same folder when it is
// renamed or removed meanwhile. Safe for concurrent use until closed.
type SourceFolder interface {
	// Self is the folder's own entry, fresh, with extended attributes and
	// no name.
	Self() (Entry, error)
	// List returns every entry, sorted by the bytes of the names, or an
	// error: a partial listing is never handed out. Extended attributes of
	// files are left out, because only an open file tells them at no cost;
	// [Content.Entry] has them.
	List() ([]Entry, error)
	// Names is List for who opens the files anyway: those of which the folder
	// itself tells the kind come as [Entry.Bare], and may be gone by now. The
	// list is in the room of buf if that suffices.
	Names(buf []Entry) ([]Entry, error)
	// Look returns the entry at name, fresh and complete. Errors:
	// [fs.ErrNotExist] when it is gone for certain; else unknown.
	Look(name string) (Entry, error)
	// Listed is Look for an entry as List has it.
	Listed(name string) (Entry, error)
	// Open opens the regular file at name; it never blocks on a FIFO or
	// wakes a device. The caller closes the Content. Errors:
	// [fs.ErrNotExist], [ErrChanged] when something else than a file stands
	// there by now.
	Open(name string) (Content, error)
	Close() error
}

// reopener is a [SourceFolder] that [OpenIn] is for.
type reopener interface {
	OpenIn(name string, used Content) (Content, error)
}

// OpenIn opens the file at name as f does, for who opens one file after the
// other: used, if not nil, was closed and is nobody's any more, and may become
// the Content that is returned.
func OpenIn(f SourceFolder, name string, used Content) (Content, error) {
	if r, ok := f.(reopener); ok {
		return r.OpenIn(name, used)
	}
	return f.Open(name)
}

// Content is an open regular file of a source. A replica on this machine may
// look behind it and clone; every other one reads it. One goroutine at a time.
type Content interface {
	// Entry is the file as it was when it was opened, complete.
	Entry() Entry
	// ReadAt reads as [io.ReaderAt] says.
	io.ReaderAt
	// Data returns the next range [start, end) at or after offset that is
	// not a hole; [io.EOF] when none follows. Where the file system tells no
	// holes, the rest of the file is one range.
	Data(offset int64) (start, end int64, err error)
	// Changed returns [ErrChanged] when the file is no longer the version
	// that was opened. Call it after the last read and before what was read
	// is published.
	Changed() error
	Close() error
}

// Staged is a [Content] that follows where it is written. Of the two, Staging
// or Unnamed is called.
type Staged interface {
	// Named reports whether it has to have a name from the beginning.
	Named() bool
	// Staging tells the name under which it stands, in the folder it is for,
	// until it is published.
	Staging(name string)
	// Unnamed says that it stands there complete and waits for its first name.
	Unnamed(Nameless)
	// Unfinished is called when it does not become complete, before what has a
	// name is removed; written has each range that was read, in its place.
	Unfinished(written io.ReaderAt)
}

// Nameless is a file that no path leads to yet. Again opens it once more;
// [fs.ErrNotExist] when it was published or given up. Safe for concurrent use.
type Nameless interface {
	Again() (ReadAtCloser, error)
}

// ReadAtCloser is what is read at any place and closed in the end.
type ReadAtCloser interface {
	io.ReaderAt
	io.Closer
}
