package chunk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"math"

	"go.etcd.io/bbolt"
)

// table is a bucket of rows, a row being a key and what is known under it. Each
// record is a run of rows in the order of their keys, none of which comes after
// the record's own; the last record has what comes after it too. What a table
// returns is good until the transaction ends. One goroutine.
type table struct {
	bucket *bbolt.Bucket
	cursor *bbolt.Cursor
	at     record
	rows   rows
}

// maxRun is how many bytes of rows make a record, at most: two records fill a
// page. To bbolt each record is a search and several pointers, whatever is in
// it, so there are few.
const maxRun = 1900

// record is one of a table; of no key where there is none.
type record struct {
	key, run []byte
	last     bool
}

func openTable(tx *bbolt.Tx, name []byte) *table {
	bucket := tx.Bucket(name)
	return &table{bucket: bucket, cursor: bucket.Cursor()}
}

// seek goes before the first row of the run that has a key, or would have it.
func (t *table) seek(key []byte) {
	t.at.key, t.at.run = t.cursor.Seek(key)
	if t.at.last = t.at.key == nil; t.at.last {
		t.at.key, t.at.run = t.cursor.Last()
	}
	t.rows.begin(t.at.run)
}

// covers reports whether a key is in the run, or would be, that is not before
// its first.
func (r *record) covers(key []byte) bool {
	return r.last || r.key != nil && bytes.Compare(key, r.key) <= 0
}

// get returns what is known under a key; nil for nothing.
func (t *table) get(key []byte) []byte {
	t.seek(key)
	return t.follow(key)
}

// follow is get for a key that comes after that of the last call, and costs
// little more than to read what is between them.
func (t *table) follow(key []byte) []byte {
	if !t.at.covers(key) {
		t.seek(key)
	}
	if !t.rows.find(key) {
		return nil
	}
	return t.rows.known()
}

// below returns the rows whose keys begin with prefix. A key is good until the
// next one.
func (t *table) below(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		t.seek(prefix)
		for t.at.key != nil {
			for t.rows.next() {
				if bytes.Compare(t.rows.key, prefix) < 0 {
					continue
				}
				if !bytes.HasPrefix(t.rows.key, prefix) || !yield(t.rows.key, t.rows.known()) {
					return
				}
			}
			t.at.key, t.at.run = t.cursor.Next()
			t.rows.begin(t.at.run)
		}
	}
}

// edit changes a table in the order of keys.
type edit struct {
	*table
	more   bool // the row that rows is at comes after what was packed
	packed packer
	err    error
}

func beginEdit(tx *bbolt.Tx, name []byte) *edit { return &edit{table: openTable(tx, name)} }

// take removes what is known under a key, and returns it.
func (e *edit) take(key []byte) (value []byte) {
	if !e.at.covers(key) {
		e.write()
		e.seek(key)
		e.more = e.rows.next()
	}
	for e.more {
		order := bytes.Compare(e.rows.key, key)
		if order > 0 {
			break
		}
		if order < 0 {
			e.packed.add(e.rows.key, e.rows.known())
		} else {
			value = e.rows.known()
		}
		e.more = e.rows.next()
	}
	return value
}

// put adds a row. The last key that was taken is its key.
func (e *edit) put(key, value []byte) { e.packed.add(key, value) }

// end writes what is not written.
func (e *edit) end() error {
	e.write()
	e.at = record{}
	return e.err
}

// write writes the record that was edited: as several, if it became too long.
func (e *edit) write() {
	for ; e.more; e.more = e.rows.next() {
		e.packed.add(e.rows.key, e.rows.known())
	}
	key, size := e.at.key, len(e.packed.run)
	if key != nil && (size == 0 || size > maxRun) {
		e.keep(e.bucket.Delete(key))
		key = nil
	}
	if key == nil {
		key = e.packed.key
	}
	if size > maxRun {
		e.split(size/(size/maxRun+1) + 1)
	} else if size > 0 {
		e.keep(e.bucket.Put(key, bytes.Clone(e.packed.run)))
	}
	e.packed.reset()
}

// split writes what was packed as records of about so many bytes.
func (e *edit) split(size int) {
	var part packer
	for r := (rows{run: e.packed.run}); r.next(); {
		part.add(r.key, r.known())
		if len(part.run) >= size || r.end == len(r.run) {
			e.keep(e.bucket.Put(part.key, bytes.Clone(part.run)))
			part.reset()
		}
	}
}

// keep keeps the first error.
func (e *edit) keep(err error) { e.err = cmp.Or(e.err, err) }

// headSize is that of what a row begins with: how many bytes its key has in
// common with the one before it, how many more it has, and how many its value.
const headSize = 2 + 2 + 2

// packer makes a run of rows, each with what is not in common, and its value.
type packer struct {
	run []byte
	key []byte // the last one
}

// add adds a row, unless its key is too long for a record's or its value for a
// row.
func (p *packer) add(key, value []byte) {
	if len(key) > bbolt.MaxKeySize || len(value) > math.MaxUint16 {
		return
	}
	same := common(key, p.key)
	p.run = binary.LittleEndian.AppendUint16(p.run, uint16(same))
	p.run = binary.LittleEndian.AppendUint16(p.run, uint16(len(key)-same))
	p.run = binary.LittleEndian.AppendUint16(p.run, uint16(len(value)))
	p.run = append(p.run, key[same:]...)
	p.run = append(p.run, value...)
	p.key = p.key[:same]
	p.key = append(p.key, key[same:]...)
}

func (p *packer) reset() { p.run, p.key = p.run[:0], p.key[:0] }

// rows reads a run.
type rows struct {
	run        []byte
	key        []byte // of the row it is at; none before the first
	value, end int    // of that row, in run
}

// begin goes before the first row of a run.
func (r *rows) begin(run []byte) { *r = rows{run: run, key: r.key[:0]} }

// known returns what is known under the key.
func (r *rows) known() []byte { return r.run[r.value:r.end:r.end] }

// head begins the next row: same is how many bytes its key has in common with
// the last one, rest the others. False when there is none, or no sense in it.
func (r *rows) head() (same int, rest []byte, ok bool) {
	if r.end+headSize > len(r.run) {
		return 0, nil, false
	}
	head := r.run[r.end : r.end+headSize]
	at := r.end + headSize
	value := at + int(binary.LittleEndian.Uint16(head[2:]))
	end := value + int(binary.LittleEndian.Uint16(head[4:]))
	if end > len(r.run) {
		return 0, nil, false
	}
	r.value, r.end = value, end
	return int(binary.LittleEndian.Uint16(head)), r.run[at:value], true
}

// next goes to the next row.
func (r *rows) next() bool {
	same, rest, ok := r.head()
	if !ok || same > len(r.key) {
		return false
	}
	r.key = r.key[:same]
	r.key = append(r.key, rest...)
	return true
}

// find goes on to the first row that is not before key, and reports whether it
// is that of key. It does not put together the keys of those it passes.
func (r *rows) find(key []byte) bool {
	matched := common(r.key, key) // of the key it has come to
	same, rest, ok := matched, r.key[matched:], true
	if r.end == 0 {
		same, rest, ok = r.head()
	}
	for ; ok; same, rest, ok = r.head() {
		if same > matched { // it differs from key where the last one does
			continue
		}
		n, left := 0, key[same:]
		if same == matched {
			n = common(rest, left)
			left = left[n:]
			if len(left) > 0 && (n == len(rest) || rest[n] < left[0]) {
				matched += n
				continue
			}
		}
		r.key = append(append(r.key[:0], key[:same]...), rest...)
		return len(left) == 0 && n == len(rest)
	}
	return false
}

// common returns how many bytes a and b begin with in common.
func common(a, b []byte) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
