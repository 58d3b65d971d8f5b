package tree

import "lockstep/reconcile/tree/blake3"

const (
	// LongestShort is up to how many bytes a content is short: most are.
	LongestShort = 5 << 10
	// LongestTogether is the longest content that [ShortContents] and
	// [ShortFiles] take.
	LongestTogether = blake3.Longest
)

// ShortContents makes the digests of short contents, and of leaves, several at a
// time. One goroutine. The zero ShortContents is ready for use.
type ShortContents struct {
	batch   blake3.Batch
	waiting []*Digest
	buf     []byte
}

// Room returns room for a content of n bytes, up to [LongestTogether], which Take
// is to take before anything else is called.
func (s *ShortContents) Room(n int) []byte {
	room := s.batch.Room(n)
	if room == nil {
		s.Flush()
		room = s.batch.Room(n)
	}
	return room
}

// Take has d become the digest of the content of n bytes that [ShortContents.Room]
// was filled with; it is there after Flush at the latest.
func (s *ShortContents) Take(n int, d *Digest) {
	s.batch.Take(n)
	s.waiting = append(s.waiting, d)
}

// Add is Take for a content that is somewhere else, of which it takes a copy.
func (s *ShortContents) Add(content []byte, d *Digest) {
	s.Take(copy(s.Room(len(content)), content), d)
}

// Leaf has leaf become what [Traits.LeafDigest] returns; it is there after Flush
// at the latest.
func (s *ShortContents) Leaf(t *Traits, e *Entry, content Digest, leaf *Digest) {
	s.buf = t.appendLeaf(s.buf[:0], e, content)
	if len(s.buf) > LongestTogether {
		*leaf = blake3.Sum256(s.buf)
		return
	}
	s.Add(s.buf, leaf)
}

// Flush makes the digests of all that was taken.
func (s *ShortContents) Flush() {
	for i, sum := range s.batch.Sum() {
		*s.waiting[i] = sum
	}
	clear(s.waiting)
	s.waiting = s.waiting[:0]
}

// ShortFiles makes the leaf digests of files with short contents, several at a
// time: what a pass spends on most files is less to read them than to hash them
// one by one. One goroutine. The zero ShortFiles is ready for use.
type ShortFiles struct {
	contents blake3.Batch
	waiting  []shortFile
	leaves   ShortContents
}

// shortFile is one of which the content is to be hashed, and then leaf.
type shortFile struct {
	traits *Traits
	entry  Entry
	leaf   *Digest
}

// Add has leaf become the [Traits.LeafDigest] of e with the content, which is
// copied; it is there after Flush at the latest.
func (s *ShortFiles) Add(t *Traits, e Entry, content []byte, leaf *Digest) {
	room := s.contents.Room(len(content))
	if room == nil {
		s.Flush()
		room = s.contents.Room(len(content))
	}
	s.contents.Take(copy(room, content))
	s.waiting = append(s.waiting, shortFile{t, e, leaf})
}

// Flush makes the digests of all that was added.
func (s *ShortFiles) Flush() {
	for i, content := range s.contents.Sum() {
		w := &s.waiting[i]
		s.leaves.Leaf(w.traits, &w.entry, content, w.leaf)
	}
	s.leaves.Flush()
	clear(s.waiting) // they hold on to names
	s.waiting = s.waiting[:0]
}
