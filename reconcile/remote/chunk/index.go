package chunk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	// maxIndex is the size in bytes from which an index is begun anew: most of
	// it is about what is long gone.
	maxIndex = 1 << 30
	// lockWait is how long another process may hold the file.
	lockWait = time.Second
)

// The buckets. files: path -> number, size and time of the version that was
// cut. paths: number -> path. chunks: name -> number and offset.
var (
	bucketFiles  = []byte("files 1")
	bucketPaths  = []byte("paths 1")
	bucketChunks = []byte("chunks 1")
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
	db *bbolt.DB

	// Guarded by mu: what is not written yet.
	mu      sync.Mutex
	files   map[tree.Path]File
	chunks  map[wire.ChunkID]Place
	pending int
}

// OpenIndex opens the index in a file, creating it with its folder. A damaged
// one is begun anew.
func OpenIndex(path string) (*Index, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxIndex {
		os.Remove(path)
	}
	db, err := openBolt(path)
	if err != nil && !errors.Is(err, bolterrors.ErrTimeout) && !errors.Is(err, fs.ErrPermission) {
		os.Remove(path)
		db, err = openBolt(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open index %q: %w", path, err)
	}
	return &Index{db: db, files: map[tree.Path]File{}, chunks: map[wire.ChunkID]Place{}}, nil
}

// openBolt turns a panic over damaged pages into an error.
func openBolt(path string) (db *bbolt.DB, err error) {
	defer func() {
		if damage := recover(); damage != nil {
			db, err = nil, fmt.Errorf("damaged: %v", damage)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketFiles, bucketPaths, bucketChunks} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Close writes what is pending and closes the file.
func (x *Index) Close() error {
	if x == nil {
		return nil
	}
	err := x.Flush()
	return errors.Join(err, x.db.Close())
}

// Find returns where a chunk was last seen.
func (x *Index) Find(name wire.ChunkID) (p Place, ok bool) {
	if x == nil {
		return p, false
	}
	x.mu.Lock()
	p, ok = x.chunks[name]
	x.mu.Unlock()
	if ok {
		return p, true
	}
	x.view(func(tx *bbolt.Tx) {
		found := tx.Bucket(bucketChunks).Get(name[:])
		if len(found) != 16 {
			return
		}
		path := tx.Bucket(bucketPaths).Get(found[:8])
		if path == nil {
			return
		}
		p, ok = Place{tree.Path(path), int64(binary.BigEndian.Uint64(found[8:]))}, true
	})
	return p, ok
}

// Versions are those of the files of one folder of which an [Index] has the
// chunks; zero for none.
type Versions []version

// version is the size and the time of a file.
type version [8 + 8 + 4]byte

func versionOf(size int64, t tree.Time) (v version) {
	binary.BigEndian.PutUint64(v[:], uint64(size))
	binary.BigEndian.PutUint64(v[8:], uint64(t.Sec))
	binary.BigEndian.PutUint32(v[16:], uint32(t.Nsec))
	return v
}

const fileRecord = 8 + len(version{})

// Versions returns the versions of entries, which are those of a folder in the
// order of their names: to ask for each would cost as much as to hash it.
func (x *Index) Versions(folder tree.Path, entries []tree.Entry) Versions {
	if x == nil {
		return nil
	}
	known := make(Versions, len(entries))
	x.view(func(tx *bbolt.Tx) {
		cursor := tx.Bucket(bucketFiles).Cursor()
		above := len(folder.Join("x")) - 1
		key := []byte(folder.Join("x"))
		var at, record []byte
		for i, e := range entries {
			key = append(key[:above], e.Name...)
			if at != nil { // most often it is the next one
				at, record = cursor.Next()
			}
			if !bytes.Equal(at, key) {
				at, record = cursor.Seek(key)
			}
			if bytes.Equal(at, key) && len(record) == fileRecord {
				known[i] = version(record[8:])
			}
		}
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := 0; i < len(entries) && len(x.files) > 0; i++ {
		if f, ok := x.files[folder.Join(entries[i].Name)]; ok {
			known[i] = versionOf(f.Size, f.ModTime)
		}
	}
	return known
}

// Knows reports whether the chunks of that version of the file at place i are
// in the index; it does where there is none.
func (v Versions) Knows(i int, e tree.Entry) bool {
	return v == nil || v[i] == versionOf(e.Size, e.ModTime)
}

// Note remembers a file.
func (x *Index) Note(f File) {
	if x == nil {
		return
	}
	x.mu.Lock()
	x.files[f.Path] = f
	for _, c := range f.Chunks {
		x.chunks[c.Name] = Place{f.Path, c.Offset}
	}
	x.pending += len(f.Chunks) + 1
	full := x.pending >= maxPending
	x.mu.Unlock()
	if full {
		// What cannot be kept is sent once more some day.
		_ = x.Flush()
	}
}

// Rename follows what was at from, and all below it, to another path.
func (x *Index) Rename(from, to tree.Path) {
	if x == nil || x.Flush() != nil {
		return
	}
	// What cannot be kept is sent once more some day.
	_ = x.db.Update(func(tx *bbolt.Tx) error {
		files, paths := tx.Bucket(bucketFiles), tx.Bucket(bucketPaths)
		type move struct{ old, record []byte }
		var moves []move
		if record := files.Get([]byte(from)); record != nil {
			moves = append(moves, move{[]byte(from), bytes.Clone(record)})
		}
		below := []byte(from + "/")
		cursor := files.Cursor()
		for path, record := cursor.Seek(below); bytes.HasPrefix(path, below); path, record = cursor.Next() {
			moves = append(moves, move{bytes.Clone(path), bytes.Clone(record)})
		}
		for _, m := range moves {
			path := append([]byte(to), m.old[len(from):]...)
			err := errors.Join(files.Delete(m.old), files.Put(path, m.record), paths.Put(m.record[:8], path))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Flush writes what is pending.
func (x *Index) Flush() error {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.pending == 0 {
		return nil
	}
	err := x.db.Update(func(tx *bbolt.Tx) error {
		// In the order of keys, so that no page is turned to twice.
		numbers := make(map[tree.Path][]byte, len(x.files))
		for _, path := range slices.Sorted(maps.Keys(x.files)) {
			number, err := x.putFile(tx, x.files[path])
			if err != nil {
				return err
			}
			numbers[path] = number
		}
		chunks := tx.Bucket(bucketChunks)
		names := slices.SortedFunc(maps.Keys(x.chunks), func(a, b wire.ChunkID) int { return bytes.Compare(a[:], b[:]) })
		for _, name := range names {
			place := x.chunks[name]
			if number := numbers[place.Path]; number != nil {
				value := binary.BigEndian.AppendUint64(bytes.Clone(number), uint64(place.Offset))
				if err := chunks.Put(bytes.Clone(name[:]), value); err != nil {
					return err
				}
			}
		}
		return nil
	})
	clear(x.files)
	clear(x.chunks)
	x.pending = 0
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// putFile gives a file a number, or keeps the one that it has.
func (x *Index) putFile(tx *bbolt.Tx, f File) ([]byte, error) {
	files, paths := tx.Bucket(bucketFiles), tx.Bucket(bucketPaths)
	var number []byte
	if old := files.Get([]byte(f.Path)); len(old) == fileRecord {
		number = bytes.Clone(old[:8])
	} else {
		next, err := paths.NextSequence()
		if err != nil {
			return nil, err
		}
		number = binary.BigEndian.AppendUint64(nil, next)
	}
	version := versionOf(f.Size, f.ModTime)
	record := append(bytes.Clone(number), version[:]...)
	return number, errors.Join(files.Put([]byte(f.Path), record), paths.Put(number, []byte(f.Path)))
}

// view reads. A damaged index knows nothing.
func (x *Index) view(f func(tx *bbolt.Tx)) {
	defer func() { _ = recover() }()
	_ = x.db.View(func(tx *bbolt.Tx) error { f(tx); return nil })
}
