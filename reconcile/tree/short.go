package tree

import "lockstep/reconcile/tree/blake3"

// LongestShort is the longest content that [ShortContents] and [ShortFiles] take.
const LongestShort = blake3.Longest

// ShortContents makes the digests of short contents, several at a time. One
// goroutine. The zero ShortContents is ready for use.
type ShortContents struct {
	batch   blake3.Batch
	waiting []*Digest
}

// Add has d become the digest of the content, which is copied and no longer than
// [LongestShort]; it is there after Flush at the latest.
func (s *ShortContents) Add(content []byte, d *Digest) {
	if !s.batch.Add(content) {
		s.Flush()
		s.batch.Add(content)
	}
	s.waiting = append(s.waiting, d)
}

// Flush makes the digests of all that was added.
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
	contents, leaves blake3.Batch
	waiting          []shortFile
	buf              []byte
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
	if !s.contents.Add(content) {
		s.Flush()
		s.contents.Add(content)
	}
	s.waiting = append(s.waiting, shortFile{t, e, leaf})
}

// Flush makes the digests of all that was added.
func (s *ShortFiles) Flush() {
	begun := 0
	take := func(end int) {
		for i, sum := range s.leaves.Sum() {
			*s.waiting[begun+i].leaf = sum
		}
		begun = end
	}
	for i, content := range s.contents.Sum() {
		w := &s.waiting[i]
		s.buf = w.traits.appendLeaf(s.buf[:0], &w.entry, content)
		if len(s.buf) > blake3.Longest {
			take(i)
			*w.leaf = blake3.Sum256(s.buf)
			begun = i + 1
			continue
		}
		if !s.leaves.Add(s.buf) {
			take(i)
			s.leaves.Add(s.buf)
		}
	}
	take(0)
	clear(s.waiting) // they hold on to names
	s.waiting = s.waiting[:0]
}
