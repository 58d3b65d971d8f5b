package chunk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// versionSize is that of a [version]: size, seconds and nanoseconds.
const versionSize = 8 + 8 + 4

// inOrder is how full pages are made of which most keys come one after the
// other: files do, folder by folder, and numbers. Names of chunks do not.
const inOrder = 0.9

// notes are what was noted of files and is not written: the files go by the
// names that they have after the renames.
type notes struct {
	files   []noted
	at      map[tree.Path]int // where in files
	chunks  map[chunkKey]spotted
	renames renames
}

// noted is a version of a file.
type noted struct {
	path    tree.Path
	version version
	gone    bool // another file was renamed to its path
	whole   bool // it is one chunk
	only    chunkKey
}

// chunkKey is as much of a chunk's name as finds it: what is found is held
// against the whole name.
type chunkKey uint64

func keyOf(name wire.ChunkID) chunkKey { return chunkKey(binary.BigEndian.Uint64(name[:])) }

// spotted is where a chunk was noted: in which of the files, at an offset.
type spotted struct {
	file   int
	offset int64
}

func makeNotes() notes {
	return notes{at: map[tree.Path]int{}, chunks: map[chunkKey]spotted{}}
}

// size is how much there is to write.
func (n *notes) size() int { return len(n.files) + len(n.chunks) + len(n.renames) }

// add notes a file; what was noted of an earlier version may stay.
func (n *notes) add(f File) {
	i, ok := n.at[f.Path]
	if !ok {
		i = len(n.files)
		n.at[f.Path] = i
		n.files = append(n.files, noted{})
	}
	now := noted{path: f.Path, version: versionOf(f.Size, f.ModTime)}
	for _, c := range f.Chunks {
		now.only = keyOf(c.Name)
		n.chunks[now.only] = spotted{i, c.Offset}
	}
	now.whole = len(f.Chunks) == 1 && f.Chunks[0].Offset == 0
	n.files[i] = now
}

// rename notes that what was at from, and all below it, is somewhere else.
func (n *notes) rename(from, to tree.Path) {
	last := renames{{from, to}}
	n.renames = append(n.renames, last...)
	if i, ok := n.at[to]; ok {
		n.files[i].gone = true
		delete(n.at, to)
	}
	if i, ok := n.at[from]; ok { // a file: nothing is below it
		n.move(i, to)
		return
	}
	for i := range n.files {
		if f := &n.files[i]; !f.gone && isIn(f.path, from) {
			n.move(i, last.now(f.path))
		}
	}
}

// move gives the file at place i another path.
func (n *notes) move(i int, to tree.Path) {
	delete(n.at, n.files[i].path)
	n.files[i].path, n.at[to] = to, i
}

// findChunk returns where a chunk was noted.
func (n *notes) findChunk(key chunkKey) (Place, bool) {
	at, ok := n.chunks[key]
	if !ok || n.files[at.file].gone {
		return Place{}, false
	}
	return Place{n.files[at.file].path, at.offset}, true
}

// reset forgets everything, and keeps the room that it took.
func (n *notes) reset() {
	n.renames = n.renames[:0]
	clear(n.files)
	n.files = n.files[:0]
	clear(n.at)
	clear(n.chunks)
}

// write puts everything into the tables, in the order of their keys.
func (n *notes) write(tx *bbolt.Tx) error {
	for _, r := range n.renames {
		if err := renameFiles(tx, r.from, r.to); err != nil {
			return err
		}
	}
	numbers, err := n.writeFiles(tx)
	if err != nil {
		return err
	}
	chunks := beginEdit(tx, bucketChunks)
	var name [8]byte
	var place [2 * binary.MaxVarintLen64]byte
	for _, key := range slices.Sorted(maps.Keys(n.chunks)) {
		at := n.chunks[key]
		if f := &n.files[at.file]; f.gone || f.whole && f.only != key {
			continue // of an earlier version
		}
		binary.BigEndian.PutUint64(name[:], uint64(key))
		chunks.take(name[:])
		chunks.put(name[:], binary.AppendUvarint(binary.AppendUvarint(place[:0], numbers[at.file]), uint64(at.offset)))
	}
	return chunks.end()
}

// writeFiles writes the versions of the files, and returns their numbers; 0 for
// one that is gone.
func (n *notes) writeFiles(tx *bbolt.Tx) ([]uint64, error) {
	files, paths := beginEdit(tx, bucketFiles), beginEdit(tx, bucketPaths)
	files.bucket.FillPercent, paths.bucket.FillPercent = inOrder, inOrder
	numbers := make([]uint64, len(n.files))
	order := make([]int, 0, len(n.files))
	for i := range n.files {
		if !n.files[i].gone {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(n.files[a].path, n.files[b].path) })
	var path, buf []byte
	for _, i := range order {
		f := &n.files[i]
		path = append(path[:0], f.path...)
		number, known := numberOf(files.take(path))
		if !known {
			var err error
			if number, err = paths.bucket.NextSequence(); err != nil {
				return nil, err
			}
			buf = binary.BigEndian.AppendUint64(buf[:0], number)
			paths.take(buf)
			paths.put(buf, path)
		}
		numbers[i] = number
		buf = binary.AppendUvarint(append(buf[:0], f.version[:]...), number)
		files.put(path, buf)
	}
	return numbers, errors.Join(files.end(), paths.end())
}

func appendVersion(buf []byte, size int64, t tree.Time) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(size))
	buf = binary.BigEndian.AppendUint64(buf, uint64(t.Sec))
	return binary.BigEndian.AppendUint32(buf, uint32(t.Nsec))
}

// numberOf returns the number of the file with that record.
func numberOf(record []byte) (number uint64, ok bool) {
	number, size := binary.Uvarint(record[min(versionSize, len(record)):])
	return number, size > 0
}

// findChunk returns where a chunk is.
func (r *reading) findChunk(key chunkKey) (p Place, ok bool) {
	place := r.chunks.get(binary.BigEndian.AppendUint64(nil, uint64(key)))
	number, size := binary.Uvarint(place)
	if size <= 0 {
		return p, false
	}
	offset, size := binary.Uvarint(place[size:])
	path := r.paths.get(binary.BigEndian.AppendUint64(nil, number))
	return Place{tree.Path(path), int64(offset)}, size > 0 && path != nil
}

// readVersions sets the versions of entries, one walk through the files of
// their folder unless there were renames after what is written.
func (r *reading) readVersions(folder tree.Path, entries []tree.Entry, after renames, known Versions) {
	if len(after) > 0 {
		for i, e := range entries {
			if path, ok := after.before(folder.Join(e.Name)); ok {
				known.set(i, r.files.get([]byte(path)))
			}
		}
		return
	}
	key := []byte(folder.Join("x"))
	above := len(key) - 1
	r.files.at = record{}
	for i, e := range entries {
		key = append(key[:above], e.Name...)
		known.set(i, r.files.follow(key))
	}
}

// set sets the version at place i to that of a record.
func (v Versions) set(i int, record []byte) {
	if len(record) > versionSize {
		v[i] = version(record[:versionSize])
	}
}

// renameFiles follows what was at from, and all below it, to another path.
func renameFiles(tx *bbolt.Tx, from, to tree.Path) error {
	type move struct {
		old, path, record []byte
		number            uint64
	}
	var moves []move
	add := func(old, record []byte) {
		number, _ := numberOf(record)
		moves = append(moves, move{bytes.Clone(old), append([]byte(to), old[len(from):]...), record, number})
	}
	now := openTable(tx, bucketFiles)
	if record := now.get([]byte(from)); record != nil {
		add([]byte(from), record)
	}
	for old, record := range now.below([]byte(from + "/")) {
		add(old, record)
	}
	files, paths := beginEdit(tx, bucketFiles), beginEdit(tx, bucketPaths)
	for _, m := range moves {
		files.take(m.old)
	}
	err := files.end()
	for _, m := range moves {
		files.take(m.path)
		files.put(m.path, m.record)
	}
	slices.SortFunc(moves, func(a, b move) int { return cmp.Compare(a.number, b.number) })
	for _, m := range moves {
		number := binary.BigEndian.AppendUint64(nil, m.number)
		paths.take(number)
		paths.put(number, m.path)
	}
	return errors.Join(err, files.end(), paths.end())
}
