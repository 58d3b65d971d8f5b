package chunk

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Sizes of an [Index].
const (
	// maxPending chunks are kept in memory before they are written together.
	maxPending = 16384
	// maxRenames are kept in memory as well: each costs those who look a little,
	// and a write of its own would cost a sync of the disk.
	maxRenames = 256
	// maxIndex is the size in bytes from which an index is begun anew, when it is
	// opened and while it is open: most of it is about what is long gone.
	maxIndex = 1 << 30
	// firstMap is how much of the file is mapped at once: mapping more turns
	// over whatever is being written.
	firstMap = 16 << 20
	// lockWait is how long another process may hold the file.
	lockWait = time.Second
	// maxAnew is how often an index is begun anew while it is open: what lies
	// below it seems to damage each.
	maxAnew = 8
)

// The tables. files: path -> the version that was cut, and its number.
// paths: number -> path. chunks: the beginning of the name -> number and offset.
var (
	bucketFiles  = []byte("files 3")
	bucketPaths  = []byte("paths 3")
	bucketChunks = []byte("chunks 3")
)

var (
	errDamaged = errors.New("damaged")
	errOlder   = errors.New("written by another version")
)

// File is a version of a file in the replica, cut into chunks.
type File struct {
	Path    tree.Path
	Size    int64
	ModTime tree.Time
	Chunks  []Chunk
}

// Chunk is a chunk of a [File].
type Chunk struct {
	Name   wire.ChunkID
	Offset int64
}

// Place is where a replica may have a chunk.
type Place struct {
	Path   tree.Path
	Offset int64
}

// Index remembers in which files of a replica chunks were last seen. It is a
// cache in one file: what is wrong or missing in it costs bytes on the wire. A
// nil Index knows nothing. Safe for concurrent use.
type Index struct {
	path string
	tell func(error)
	most int64 // bytes of the file
	// writing is held while what was noted is written; writers do that beside
	// those who note.
	writing sync.Mutex
	writers sync.WaitGroup

	// Guarded by mu: what is not written yet, and what is being written.
	mu             sync.Mutex
	db             *store // what is written; nil when that cannot be had any more
	anew           int    // how often it was begun anew
	young          *young // nil unless the index was empty when it was opened
	noted, leaving notes
	busy           bool     // somebody writes
	writes         int      // the number of that transaction
	due            bool     // a writer is about to, or does
	closing        bool     // no writer begins any more
	reading        *reading // kept from one look to the next, unless somebody writes
}

// reading is a look at what is written.
type reading struct {
	tx                   *bbolt.Tx
	left                 bool // it has what was leaving
	files, paths, chunks *table
}

// OpenIndex opens the index in a file, creating it with its folder. A damaged
// one is begun anew, then and while it is open; each of the latter times tell
// is called with what was found. It must not call the index.
func OpenIndex(path string, tell func(error)) (*Index, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxIndex {
		os.Remove(path)
	}
	db, err := openStore(path)
	if err != nil && !errors.Is(err, bolterrors.ErrTimeout) && !errors.Is(err, fs.ErrPermission) {
		os.Remove(path)
		db, err = openStore(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open index %q: %w", path, err)
	}
	x := &Index{db: db, path: path, tell: tell, noted: makeNotes(), leaving: makeNotes(), most: maxIndex}
	if db.empty {
		x.young = &young{}
	}
	return x, nil
}

// Close writes what is pending and closes the file. What is noted after that is
// forgotten.
func (x *Index) Close() error {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	x.closing = true
	x.mu.Unlock()
	x.writers.Wait()
	err := x.Flush()
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.db == nil {
		return nil
	}
	x.endReading()
	return errors.Join(err, x.db.Close())
}

// Find returns where a chunk was last seen.
func (x *Index) Find(name wire.ChunkID) (p Place, ok bool) {
	if x == nil {
		return p, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.young.lacks(name) {
		return p, false
	}
	key := keyOf(name)
	if p, ok = x.noted.findChunk(key); ok {
		return p, true
	}
	if p, ok = x.leaving.findChunk(key); !ok {
		x.view(func(r *reading) {
			if p, ok = r.findChunk(key); ok && !r.left {
				p.Path = x.leaving.renames.now(p.Path)
			}
		})
	}
	p.Path = x.noted.renames.now(p.Path)
	return p, ok
}

// Note remembers a file.
func (x *Index) Note(f File) {
	if x == nil {
		return
	}
	x.note(func() {
		x.noted.add(f)
		x.young.add(f.Chunks)
	})
}

// Rename follows what was at from, and all below it, to another path.
func (x *Index) Rename(from, to tree.Path) {
	if x == nil {
		return
	}
	x.note(func() { x.noted.rename(from, to) })
}

// note calls add, which notes something, and has what is pending written if
// that is much.
func (x *Index) note(add func()) {
	x.mu.Lock()
	add()
	full := x.noted.size() >= maxPending || len(x.noted.renames) >= maxRenames
	begin := full && !x.due && !x.closing
	if begin {
		x.due = true
		x.writers.Go(x.writeDue)
	}
	x.mu.Unlock()
	if full && !begin { // as much again while that is written
		// What cannot be kept is sent once more some day.
		_ = x.Flush()
	}
}

// writeDue writes what is pending.
func (x *Index) writeDue() {
	_ = x.Flush() // as above
	x.mu.Lock()
	defer x.mu.Unlock()
	x.due = false
}

// Flush writes what is pending.
func (x *Index) Flush() error {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	pending := x.noted.size() > 0
	x.mu.Unlock()
	if !pending {
		return nil
	}
	return x.write()
}

// write writes what was noted.
func (x *Index) write() error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	x.leaving, x.noted, x.busy, x.writes = x.noted, x.leaving, true, math.MaxInt
	x.endReading()
	db, leaving := x.db, x.leaving
	x.mu.Unlock()
	var size int64
	var err error
	if db != nil {
		size, err = db.update(&leaving, func(writes int) {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.db == db {
				x.writes = writes
			}
		})
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if errors.Is(err, errDamaged) {
		x.leaving = makeNotes() // the others may still be read there
	}
	x.leaving.reset()
	x.busy = false
	if err == nil && db == x.db && size > x.most {
		x.endReading()
		_ = db.Close() // what it has is forgotten
		x.replace()
	}
	x.beginAnew(db, err)
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// view reads what is written, if there is anything. The caller holds mu.
func (x *Index) view(f func(*reading)) {
	if x.db == nil {
		return
	}
	err := guarded(func() error {
		if x.reading == nil {
			tx, err := x.db.Begin(false)
			if err != nil {
				return err
			}
			r := &reading{tx: tx, left: !x.busy || tx.ID() >= x.writes}
			x.reading = r // so that it is ended, whatever the tables hold
			r.files, r.paths, r.chunks = openTable(tx, bucketFiles), openTable(tx, bucketPaths), openTable(tx, bucketChunks)
		}
		f(x.reading)
		return nil
	})
	if x.busy || err != nil {
		x.endReading()
	}
	x.beginAnew(x.db, err)
}

// beginAnew has another file take the place of db, if err is that this one is
// damaged and nobody has done so yet. db is left as it is, for what a panic has
// left locked cannot be closed; who writes to it is waited for no more. But its
// room on the disk is freed. The caller holds mu.
func (x *Index) beginAnew(db *store, err error) {
	if db != x.db || !errors.Is(err, errDamaged) {
		return
	}
	x.endReading()
	close(db.abandoned)
	_ = os.Truncate(x.path, 0)
	if x.anew++; x.anew <= maxAnew {
		x.replace()
	} else {
		os.Remove(x.path)
		x.db, x.young = nil, nil
	}
	x.tell(err)
}

// replace begins with an empty file; without one more is sent. The caller holds
// mu.
func (x *Index) replace() {
	os.Remove(x.path)
	x.db, x.young = nil, nil
	if db, err := openStore(x.path); err == nil {
		x.db = db
	}
}

// endReading lets go of the pages that were read: who writes may have to wait
// for that. The caller holds mu.
func (x *Index) endReading() {
	if x.reading != nil {
		_ = x.reading.tx.Rollback() // of nothing
		x.reading = nil
	}
}
