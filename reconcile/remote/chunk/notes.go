package chunk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Sizes of records: in the files, the version and the number of a file, or the
// name of its only chunk; of the chunks, the mark and a place in a file.
const (
	versionSize = 8 + 8 + 4
	numbered    = versionSize + 8
	placeSize   = 1 + 8 + 8
)

// inOrder is how full pages are made of which most keys come one after the
// other: files do, folder by folder, and numbers. Names of chunks do not.
const inOrder = 0.9

// The first byte of what is known of a chunk: it is a part of a file with a
// number, or all of the file with a path. Most files are all of one chunk,
// and cost two records and not three.
const (
	partOf = 0
	allOf  = 1
)

// notes are what was noted of files and is not written.
type notes struct {
	files  []File
	at     map[tree.Path]int // where in files
	chunks map[wire.ChunkID]spotted
}

// spotted is where a chunk was noted: in which of the files, at an offset.
type spotted struct {
	file   int
	offset int64
}

func makeNotes() notes {
	return notes{at: map[tree.Path]int{}, chunks: map[wire.ChunkID]spotted{}}
}

// size is how much there is to write.
func (n *notes) size() int { return len(n.files) + len(n.chunks) }

// add notes a file; what was noted of an earlier version may stay.
func (n *notes) add(f File) {
	i, ok := n.at[f.Path]
	if !ok {
		i = len(n.files)
		n.at[f.Path] = i
		n.files = append(n.files, f)
	}
	n.files[i] = f
	for _, c := range f.Chunks {
		n.chunks[c.Name] = spotted{i, c.Offset}
	}
}

// reset forgets everything, and keeps the room that it took.
func (n *notes) reset() {
	clear(n.files)
	n.files = n.files[:0]
	clear(n.at)
	clear(n.chunks)
}

// write puts everything into the file, in the order of keys, so that no page
// is turned to twice.
func (n *notes) write(tx *bbolt.Tx) error {
	var values arena
	numbers, err := n.writeFiles(tx, &values)
	if err != nil {
		return err
	}
	names := make([]wire.ChunkID, 0, len(n.chunks))
	for name := range n.chunks {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b wire.ChunkID) int {
		return cmp.Compare(binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:]))
	})
	chunks := tx.Bucket(bucketChunks)
	var offset [8]byte
	for i := range names {
		at := n.chunks[names[i]]
		f := &n.files[at.file]
		var record []byte
		if number := numbers[at.file]; number != nil {
			binary.BigEndian.PutUint64(offset[:], uint64(at.offset))
			record = values.hold([]byte{partOf}, number, offset[:])
		} else if bytes.Equal(f.only(), names[i][:]) {
			record = values.hold([]byte{allOf}, []byte(f.Path))
		} else {
			continue // of an earlier version
		}
		if err := chunks.Put(names[i][:], record); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes the versions of the files, and returns the numbers of
// those that have one.
func (n *notes) writeFiles(tx *bbolt.Tx, values *arena) ([][]byte, error) {
	files, paths := tx.Bucket(bucketFiles), tx.Bucket(bucketPaths)
	files.FillPercent, paths.FillPercent = inOrder, inOrder
	numbers := make([][]byte, len(n.files))
	order := make([]int, len(n.files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(n.files[a].Path, n.files[b].Path) })
	var version [versionSize]byte
	for _, i := range order {
		f := &n.files[i]
		rest := f.only()
		if rest == nil {
			number, err := giveNumber(tx, f.Path)
			if err == nil {
				err = paths.Put(number, []byte(f.Path))
			}
			if err != nil {
				return nil, err
			}
			numbers[i], rest = number, number
		}
		record := values.hold(appendVersion(version[:0], f.Size, f.ModTime), rest)
		if err := files.Put([]byte(f.Path), record); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// arena holds what has to stay as it is until a transaction ends.
type arena []byte

// hold returns a copy of parts, one after the other.
func (a *arena) hold(parts ...[]byte) []byte {
	begin := len(*a)
	for _, part := range parts {
		*a = append(*a, part...)
	}
	return (*a)[begin:len(*a):len(*a)]
}

// only returns the name of the chunk that is all of f; nil when it has more.
func (f *File) only() []byte {
	if len(f.Chunks) != 1 || f.Chunks[0].Offset != 0 {
		return nil
	}
	return f.Chunks[0].Name[:]
}

func appendVersion(buf []byte, size int64, t tree.Time) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(size))
	buf = binary.BigEndian.AppendUint64(buf, uint64(t.Sec))
	return binary.BigEndian.AppendUint32(buf, uint32(t.Nsec))
}

// giveNumber returns the number that a file has, or another one.
func giveNumber(tx *bbolt.Tx, path tree.Path) ([]byte, error) {
	if old := tx.Bucket(bucketFiles).Get([]byte(path)); len(old) == numbered {
		return bytes.Clone(old[versionSize:]), nil
	}
	next, err := tx.Bucket(bucketPaths).NextSequence()
	if err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint64(nil, next), nil
}

// readPlace reads what is known of a chunk.
func readPlace(tx *bbolt.Tx, record []byte) (p Place, ok bool) {
	if len(record) == 0 {
		return p, false
	}
	if record[0] == allOf {
		return Place{Path: tree.Path(record[1:])}, true
	}
	if record[0] != partOf || len(record) != placeSize {
		return p, false
	}
	path := tx.Bucket(bucketPaths).Get(record[1:9])
	return Place{tree.Path(path), int64(binary.BigEndian.Uint64(record[9:]))}, path != nil
}

// readVersions sets the versions of entries, one walk through the files of
// their folder.
func readVersions(tx *bbolt.Tx, folder tree.Path, entries []tree.Entry, known Versions) {
	cursor := tx.Bucket(bucketFiles).Cursor()
	key := []byte(folder.Join("x"))
	above := len(key) - 1
	var at, record []byte
	for i, e := range entries {
		key = append(key[:above], e.Name...)
		if at != nil { // most often it is the next one
			at, record = cursor.Next()
		}
		if !bytes.Equal(at, key) {
			at, record = cursor.Seek(key)
		}
		if bytes.Equal(at, key) && len(record) > versionSize {
			known[i] = version(record[:versionSize])
		}
	}
}

// renameFiles follows what was at from, and all below it, to another path.
func renameFiles(tx *bbolt.Tx, from, to tree.Path) error {
	files := tx.Bucket(bucketFiles)
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
		err := errors.Join(files.Delete(m.old), files.Put(path, m.record), renameChunk(tx, m.old, path, m.record))
		if err != nil {
			return err
		}
	}
	return nil
}

// renameChunk has the chunks of a file follow it.
func renameChunk(tx *bbolt.Tx, old, path, record []byte) error {
	if len(record) == numbered {
		return tx.Bucket(bucketPaths).Put(record[versionSize:], path)
	}
	chunks := tx.Bucket(bucketChunks)
	name := record[min(versionSize, len(record)):]
	if now := chunks.Get(name); len(now) == 0 || now[0] != allOf || !bytes.Equal(now[1:], old) {
		return nil // another file has it too
	}
	return chunks.Put(name, append([]byte{allOf}, path...))
}
