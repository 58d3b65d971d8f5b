package server

// What is known of the parts of a content that arrives: few in memory, the others
// in a file.

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sort"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
)

// Bounds of what is kept of contents that arrive: an honest one may have any
// number of segments, and the server no more memory for that.
const (
	// pageLen is how many segments make a page, which is put away in a file once
	// all of them are settled.
	pageLen = 512
	// fewSegments are not put away with a content that nobody reads any more:
	// most have no more.
	fewSegments = 4
	// maxLive segments of a session are in memory, some 16 MB. A client of ours
	// never comes to that: with manyLive, a batch takes no more while it awaits
	// data, and all data that waits to be read has no more segments than that.
	maxLive  = 1 << 17
	manyLive = maxLive / wire.MaxBatches / 2
	// leastSegments, and one for each sector, are the most that a content may
	// have: file systems have blocks, and so holes, as small as that.
	leastSegments = 64
	sector        = 512
	// noteAtOnce chunks are noted in the index together.
	noteAtOnce = 4096
)

// segments are those of one content. The batch's mu guards them.
type segments struct {
	count int
	pages []segmentPage
	// Room for those of a small content.
	page [1]segmentPage
	only [1]segment
}

// segmentPage has pageLen segments, but for the last one.
type segmentPage struct {
	start int64     // of the first one
	live  []segment // nil when they are put away
	at    int64     // where
	count int       // how many were
}

// awayFile is where the segments of a batch are put away. The batch's mu guards
// it.
type awayFile struct {
	file    *os.File // nil before the first
	end     int64
	without bool // there is no such file; they stay in memory

	// What they are read from, by numbers from 1 on.
	from    []io.ReaderAt
	numbers map[io.ReaderAt]uint32

	loaded []segment // a page that is put away
	which  int64     // its place
	buf    []byte
}

// add adds a segment, at the end. The caller holds b.mu.
func (c *arriving) add(s segment) {
	g := &c.segments
	if g.count == 0 {
		g.pages, g.page[0] = g.page[:1], segmentPage{start: s.start, live: g.only[:0]}
	} else if g.count%pageLen == 0 {
		g.pages = append(g.pages, segmentPage{start: s.start})
	}
	last := &g.pages[len(g.pages)-1]
	last.live = append(last.live, s)
	g.count++
	c.b.live++
	c.b.x.recent.live++
}

// live returns segment i; nil when it is put away. The caller holds b.mu.
func (c *arriving) live(i int) *segment {
	if p := &c.segments.pages[i/pageLen]; p.live != nil {
		return &p.live[i%pageLen]
	}
	return nil
}

// segment returns segment i, wherever it is. The caller holds b.mu.
func (c *arriving) segment(i int) (segment, error) {
	page, err := c.pageOf(i)
	if err != nil {
		return segment{}, err
	}
	return page[i%pageLen], nil
}

// pageOf returns the page of segment i, which is good until the next call. The
// caller holds b.mu.
func (c *arriving) pageOf(i int) ([]segment, error) {
	p := &c.segments.pages[i/pageLen]
	if p.live != nil {
		return p.live, nil
	}
	return c.b.away.load(p)
}

// at returns which segment holds offset, and what it is. The caller holds b.mu.
func (c *arriving) at(offset int64) (i int, s segment, err error) {
	pages := c.segments.pages
	first := (sort.Search(len(pages), func(i int) bool { return pages[i].start > offset }) - 1) * pageLen
	page, err := c.pageOf(first)
	if err != nil {
		return 0, s, err
	}
	n := sort.Search(len(page), func(i int) bool { return page[i].start > offset }) - 1
	return first + n, page[n], nil
}

// settled reports whether nothing of s changes any more, and nothing of it is in
// memory.
func (s *segment) settled() bool { return s.ready && s.bytes == nil && len(s.twins) == 0 }

// putAway puts the page of segment i away, if it is settled, and complete or the
// last one of a content that is read no more. The caller holds b.mu.
func (c *arriving) putAway(i int) {
	p := &c.segments.pages[i/pageLen]
	if p.live == nil || len(p.live) < pageLen && !(c.closed && c.complete && len(p.live) > fewSegments) {
		return
	}
	for n := range p.live {
		if !p.live[n].settled() {
			return
		}
	}
	n := len(p.live)
	if !c.b.away.put(c.b.x.folder.Spool, p) {
		return
	}
	c.b.live -= n
	c.b.x.recent.live -= n
}

// recordSize is that of a segment that is put away: where it is, how long, at
// what offset of which source, what is so of it, and its name.
const recordSize = 8 + 8 + 8 + 4 + 1 + len(wire.ChunkID{})

// What is so of it.
const (
	flagNamed = 1 << iota
	flagHole
	flagCame
)

// put puts a page away; false when there is no room for it.
func (a *awayFile) put(spool *chunk.Spool, p *segmentPage) bool {
	if a.without {
		return false
	}
	if a.file == nil {
		var err error
		if a.file, err = spool.Scratch(); err != nil {
			a.without = true
			return false
		}
	}
	a.buf = a.buf[:0]
	for i := range p.live {
		a.buf = a.append(a.buf, &p.live[i])
	}
	if _, err := a.file.WriteAt(a.buf, a.end); err != nil {
		a.without = true
		return false
	}
	p.at, p.count, p.live = a.end, len(p.live), nil
	a.end += int64(len(a.buf))
	return true
}

func (a *awayFile) append(buf []byte, s *segment) []byte {
	flags := byte(0)
	for i, so := range [...]bool{s.named, s.hole, s.came} {
		if so {
			flags |= 1 << i
		}
	}
	buf = binary.LittleEndian.AppendUint64(buf, uint64(s.start))
	buf = binary.LittleEndian.AppendUint64(buf, uint64(s.length))
	buf = binary.LittleEndian.AppendUint64(buf, uint64(s.offset))
	buf = binary.LittleEndian.AppendUint32(buf, a.number(s.from))
	return append(append(buf, flags), s.name[:]...)
}

// number returns that of a source; 0 for none.
func (a *awayFile) number(from io.ReaderAt) uint32 {
	if from == nil {
		return 0
	}
	n, known := a.numbers[from]
	if !known {
		if a.numbers == nil {
			a.numbers = map[io.ReaderAt]uint32{}
		}
		a.from = append(a.from, from)
		n = uint32(len(a.from))
		a.numbers[from] = n
	}
	return n
}

var errAway = errors.New("what is known of a content that arrives is lost")

// load returns a page that is put away.
func (a *awayFile) load(p *segmentPage) ([]segment, error) {
	if len(a.loaded) > 0 && a.which == p.at {
		return a.loaded, nil
	}
	a.loaded = a.loaded[:0]
	if a.file == nil { // the batch is over
		return nil, errAway
	}
	a.buf = append(a.buf[:0], make([]byte, p.count*recordSize)...)
	if err := readFull(a.file, a.buf, p.at); err != nil {
		return nil, errors.Join(errAway, err)
	}
	for raw := a.buf; len(raw) > 0; raw = raw[recordSize:] {
		flags := raw[28]
		s := segment{
			start: int64(binary.LittleEndian.Uint64(raw)), length: int64(binary.LittleEndian.Uint64(raw[8:])),
			offset: int64(binary.LittleEndian.Uint64(raw[16:])), name: wire.ChunkID(raw[29:recordSize]),
			named: flags&flagNamed != 0, hole: flags&flagHole != 0, came: flags&flagCame != 0, ready: true,
		}
		if from := binary.LittleEndian.Uint32(raw[24:]); from > 0 {
			s.from = a.from[from-1]
		}
		a.loaded = append(a.loaded, s)
	}
	a.which = p.at
	return a.loaded, nil
}

// close gives the file up, and any other.
func (a *awayFile) close() {
	if a.without = true; a.file != nil {
		a.file.Close()
		a.file = nil
	}
}

// eachNamed calls note for the segments from first to before end that have a
// name, some at a time.
func (c *arriving) eachNamed(first, end int, note func([]chunk.Chunk)) {
	for first < end {
		next := min(first+noteAtOnce, end)
		if chunks := c.named(first, next); len(chunks) > 0 {
			note(chunks)
		}
		first = next
	}
}

// named returns those of the segments that have a name; none, if that is not
// known any more.
func (c *arriving) named(first, end int) (chunks []chunk.Chunk) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for i := first; i < end; i++ {
		s, err := c.segment(i)
		if err != nil {
			return nil
		}
		if s.named {
			chunks = append(chunks, chunk.Chunk{Name: s.name, Offset: s.start})
		}
	}
	return chunks
}
