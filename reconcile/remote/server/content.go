package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// errDamaged: what was put together is not what the client has. The client
// looks again, and offers it again.
var errDamaged = fmt.Errorf("%w: the content put together is not the one that was offered", tree.ErrConflict)

// segment is a stretch of a content and where its bytes are: nowhere for a
// hole, in memory, or at an offset of something that can be read.
type segment struct {
	start, length int64
	name          wire.ChunkID
	named, hole   bool
	// Guarded by the batch's mu: how it is there. bytes or from, at offset.
	// Only the goroutine that reads lets go of bytes.
	ready bool
	came  bool // over the wire
	// promised: it is among the twins of another segment, which have what
	// arrives for that, in the batch said here.
	promised *batch
	twins    []place
	bytes    mem.BufferSlice
	from     io.ReaderAt
	offset   int64
}

// arriving is the content of one action, read while it arrives. It is a
// [tree.Content]: reading waits for what is not here yet.
type arriving struct {
	b     *batch
	index int
	entry tree.Entry

	// Set when it begins: it is read once, from the beginning to the end, as it
	// arrives, and nothing of it is kept.
	streamed bool

	// Used by the goroutine that receives, and by the one that reads when
	// reading has ended.
	spool   *chunk.Spooled
	sources []*chunk.Spooled

	// Guarded by b.mu.
	segments segments
	known    int64 // how far the segments reach
	begun    bool  // the client has begun with it
	complete bool  // the last step came
	closed   bool
	digest   tree.Digest
	err      error
	buffered int64
	held     int           // the first segment of a streamed content that may be in memory
	starved  bool          // reading waits for more
	made     bool          // whole is, of one that is early
	staged   string        // the name that it is written under; "" before
	unnamed  tree.Nameless // where it stands without one; nil before

	// early: it is short, and its digest is made as it arrives. Set before its
	// bytes are ready.
	early bool

	// Used by the goroutine that reads: the digest of what was read so far.
	hash    tree.ContentHash
	hashed  int64
	whole   tree.Digest // when it is early, or was read at once; else the zero Digest
	noted   int         // so many segments are in the index by where they are written
	notedTo int64
}

var _ tree.Content = (*arriving)(nil)

// Entry is the source's file as the client opened it.
func (c *arriving) Entry() tree.Entry { return c.entry }

// wait returns when there is something to say about offset: a segment that is
// ready, the end of the content, or why it does not come.
func (c *arriving) wait(offset int64, ready bool) (segment, bool, error) {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if c.err != nil {
			return segment{}, false, c.err
		}
		if offset < c.known {
			if _, s, err := c.at(offset); err != nil || s.ready || !ready {
				return s, err == nil, err
			}
		} else if c.complete {
			return segment{}, false, nil
		}
		if err := b.ctx.Err(); err != nil {
			return segment{}, false, err
		}
		borrows := c.borrows(offset) // then it comes, or the lender says that it does not
		if b.failed != nil && !borrows {
			return segment{}, false, b.failed
		}
		c.starved = !borrows
		b.changed.Broadcast()
		b.changed.Wait()
		c.starved = false
	}
}

// ReadAt reads what has arrived, and waits for the rest.
func (c *arriving) ReadAt(p []byte, offset int64) (n int, err error) {
	if c.streamed {
		c.consumed(offset)
		c.noteWritten(offset)
	}
	n, err = c.read(p, offset)
	c.account(p[:n], offset)
	return n, err
}

func (c *arriving) read(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		s, ok, err := c.wait(at, true)
		if err != nil {
			return n, err
		}
		if !ok {
			return n, io.EOF
		}
		skip := at - s.start
		part := p[n:min(int64(len(p)), int64(n)+s.length-skip)]
		switch {
		case s.hole:
			clear(part)
		case s.bytes != nil:
			copyAt(part, s.bytes, int(skip))
		case s.from == nil:
			return n, errDamaged // it was read before
		default:
			if err := readFull(s.from, part, s.offset+skip); err != nil {
				return n, fmt.Errorf("read a chunk again: %w", err)
			}
		}
		n += len(part)
	}
	return n, nil
}

// copyAt copies what is at offset of parts.
func copyAt(to []byte, parts mem.BufferSlice, offset int) {
	for _, part := range parts {
		if n := part.Len(); offset >= n {
			offset -= n
			continue
		}
		to = to[copy(to, part.ReadOnlyData()[offset:]):]
		offset = 0
		if len(to) == 0 {
			return
		}
	}
}

// consumed lets go of what is before offset: that was written by now.
func (c *arriving) consumed(offset int64) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for ; c.held < c.segments.count; c.held++ {
		s, err := c.segment(c.held)
		if err != nil || s.start+s.length > offset {
			break
		}
		if live := c.live(c.held); live != nil {
			c.drop(live)
			c.putAway(c.held)
		}
	}
	c.b.changed.Broadcast()
}

// drop lets go of the bytes of a segment. The caller holds b.mu.
func (c *arriving) drop(s *segment) {
	if s.bytes == nil {
		return
	}
	s.bytes.Free()
	s.bytes = nil
	c.buffered -= s.room()
	c.b.buffered -= s.room()
}

// room is how much memory a segment takes that has its bytes, which may be few.
func (s *segment) room() int64 { return max(s.length, leastRoom) }

// Data tells the ranges that the client sent as such, block by block: a whole
// block is written and hashed at once.
func (c *arriving) Data(offset int64) (start, end int64, err error) {
	for {
		s, ok, err := c.wait(offset, false)
		if err != nil {
			return 0, 0, err
		}
		if !ok {
			return 0, 0, io.EOF
		}
		end = s.start + s.length
		if !s.hole {
			end, err = c.dataEnd(end, (offset/tree.ContentBlock+1)*tree.ContentBlock)
			return offset, end, err
		}
		offset = end
	}
}

// dataEnd returns how far from offset on it is data, up to most.
func (c *arriving) dataEnd(offset, most int64) (int64, error) {
	for offset < most {
		s, ok, err := c.wait(offset, false)
		if err != nil {
			return 0, err
		}
		if !ok || s.hole {
			return offset, nil
		}
		offset = s.start + s.length
	}
	return most, nil
}

// Changed waits for the client's last word and holds what was read against
// the digest of the whole.
func (c *arriving) Changed() error {
	c.b.mu.Lock()
	for c.err == nil && !c.complete && c.b.failed == nil && c.b.ctx.Err() == nil || c.early && !c.made {
		c.b.changed.Wait()
	}
	err, complete, digest := c.err, c.complete, c.digest
	if err == nil && !complete {
		if err = c.b.failed; err == nil {
			err = c.b.ctx.Err()
		}
	}
	c.b.mu.Unlock()
	if err != nil {
		return err
	}
	if c.hashed < c.entry.Size && c.allHoles(c.hashed, c.entry.Size) {
		c.zeros(c.entry.Size)
		if err := c.b.ctx.Err(); err != nil {
			return err
		}
		if c.hashed < c.entry.Size {
			return errDamaged
		}
	}
	if c.hashed != c.entry.Size { // not read from the beginning to the end
		if c.streamed {
			return errDamaged
		}
		if err := c.rehash(); err != nil {
			return err
		}
	}
	if c.sum() != digest {
		return errDamaged
	}
	return nil
}

// Close lets go of what is in memory.
func (c *arriving) Close() error {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	c.free()
	b.changed.Broadcast()
	return nil
}

// free lets go of memory. The caller holds b.mu.
func (c *arriving) free() {
	c.closed = true
	for i := range c.segments.pages {
		p := &c.segments.pages[i]
		for n := range p.live {
			c.drop(&p.live[n])
		}
		if p.live != nil {
			c.putAway(i * pageLen)
		}
	}
}

// release gives up what the content used of the spool.
func (c *arriving) release(published bool) error {
	fate := chunk.Fate(published)
	var err error
	if c.spool != nil {
		err = c.spool.Release(fate)
	}
	for _, s := range c.sources {
		err = errors.Join(err, s.Release(fate))
	}
	c.spool, c.sources = nil, nil
	return err
}

// room bounds what a batch buffers in memory.
type room struct {
	// One for all batches of a session, for they share bytes. It guards the
	// rest.
	mu       *sync.Mutex
	changed  *sync.Cond
	buffered int64
	opened   int            // the action whose content is read; -1 before the first
	passed   int            // the contents of the actions before that are not kept
	over     bool           // nobody reads any more
	failed   error          // nothing more will arrive
	gone     bool           // because the client went in the middle
	waits    map[*batch]int // how many segments are promised by other batches
	live     int            // segments that are in memory
	away     awayFile       // and those that are not
	ctx      context.Context
}
