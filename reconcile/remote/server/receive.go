package server

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// begin returns the content that a step is about.
func (b *batch) begin(step *wire.Step) (*arriving, error) {
	if uint64(step.Index) >= uint64(len(b.contents)) || b.contents[step.Index] == nil {
		return nil, fmt.Errorf("action %d has no content", step.Index)
	}
	index := int(step.Index)
	c := b.contents[index]
	if index == b.current {
		if c.complete || step.Entry != nil || step.Planned {
			return nil, errors.New("more of a content that is complete")
		}
		return c, nil
	}
	if index < b.current || b.current >= 0 && !b.contents[b.current].complete {
		return nil, errors.New("contents come out of turn")
	}
	says := step.Entry != nil || step.Planned
	if !says && step.Error == nil {
		return nil, errors.New("a content that does not say what it is")
	}
	b.current, b.inPlace = index, 0
	b.mu.Lock()
	defer b.mu.Unlock()
	if says {
		entry, err := b.actions[index].Want, error(nil)
		if !step.Planned {
			entry, err = wire.ToEntry(step.Entry)
		}
		if err != nil {
			return nil, err
		}
		if entry.Kind != tree.File {
			return nil, fmt.Errorf("content of a %v", entry.Kind)
		}
		// What stands in its place could be compared with it, and so read
		// before the content is read again.
		c.streamed = entry.Size > inMemory && b.actions[index].Over != tree.File
		c.entry, c.begun = entry, true
	}
	b.changed.Broadcast()
	return c, nil
}

// chunk takes the next stretch of a content. It reports whether it is named,
// and then whether its data is needed.
func (b *batch) chunk(c *arriving, m *wire.Chunk) (named, needed bool, err error) {
	s := segment{start: c.known, length: m.Length, hole: m.Hole, named: len(m.Digest) > 0}
	switch {
	case m.Length <= 0 || m.Length > c.entry.Size-c.known:
		return false, false, fmt.Errorf("chunk of %d bytes", m.Length)
	case int64(c.segments.count) >= leastSegments+c.entry.Size/sector:
		return false, false, fmt.Errorf("more than %d chunks", c.segments.count)
	case b.crammed():
		return false, false, fmt.Errorf("more than %d chunks under way", maxLive)
	case m.Hole && s.named || s.named && len(m.Digest) != len(s.name):
		return false, false, errors.New("chunk with a wrong name")
	case !m.Hole && !s.named && m.Length > maxUnnamed || s.named && m.Length > wire.MaxChunk:
		return false, false, fmt.Errorf("chunk of %d bytes", m.Length)
	}
	if s.named {
		s.name = wire.ChunkID(m.Digest)
		b.find(c, &s)
	}
	s.ready = s.ready || s.hole
	return s.named, b.append(c, s), nil
}

// append adds a segment to a content. It reports whether its bytes are needed.
func (b *batch) append(c *arriving, s segment) (needed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.named && !s.ready && !b.share(c, &s) {
		b.mu.Unlock()
		b.findStanding(c, &s)
		b.mu.Lock()
	}
	if c.closed || b.over {
		s.bytes.Free()
		s.bytes = nil
	}
	if s.bytes != nil {
		c.buffered += s.room()
		b.buffered += s.room()
	}
	c.known += s.length
	if s.hole && c.extendHole(s.length) {
		return false
	}
	c.add(s)
	last := c.segments.count - 1
	c.putAway(last)
	if needed = !s.ready && s.promised == nil; needed {
		p := place{c, last, s.start}
		b.awaiting = append(b.awaiting, p)
		if s.named {
			b.x.recent.note(s.name, p)
		}
	}
	b.changed.Broadcast()
	return needed
}

// extendHole makes the last segment longer, if it is a hole. The caller holds
// b.mu.
func (c *arriving) extendHole(n int64) bool {
	if c.segments.count == 0 {
		return false
	}
	last := c.live(c.segments.count - 1)
	if last == nil || !last.hole {
		return false
	}
	last.length += n
	c.b.changed.Broadcast()
	return true
}

// crammed reports whether too much of contents is in memory for another segment.
func (b *batch) crammed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.x.recent.live >= maxLive
}

// unspooled reports whether there is no spool.
func (c *arriving) unspooled() bool { return c.b.x.folder.Spool == nil }

// inMemory reports whether what arrives waits in memory to be read.
func (c *arriving) inMemory() bool {
	return c.entry.Size <= inMemory || c.streamed || c.unspooled()
}

// end takes the last word on a content.
func (b *batch) end(c *arriving, step *wire.Step) error {
	digest, err := wire.ToDigest(step.Digest)
	if err != nil {
		return err
	}
	cause := wire.ToError(step.Error)
	if cause == nil && c.known != c.entry.Size {
		return fmt.Errorf("a content of %d bytes with chunks for %d", c.entry.Size, c.known)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.complete, c.digest = true, digest
	if c.err == nil {
		c.err = cause
	}
	if n := c.segments.count; n > 0 && c.live(n-1) != nil {
		c.putAway(n - 1)
	}
	b.changed.Broadcast()
	return nil
}

// unpacked returns the data of a message as it was before it was compressed.
func (b *batch) unpacked(data mem.BufferSlice, length uint32) (mem.BufferSlice, error) {
	if length == 0 {
		return data, nil
	}
	defer data.Free()
	if length > wire.MaxMessage {
		return nil, fmt.Errorf("%d bytes compressed in one message", length)
	}
	raw, err := b.x.decoder.DecodeAll(data.Materialize(), make([]byte, 0, length))
	if err != nil {
		return nil, err
	}
	if len(raw) != int(length) {
		return nil, fmt.Errorf("%d bytes came out of what should be %d", len(raw), length)
	}
	return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
}

// data takes bytes of the chunks that are awaited, and frees them.
func (b *batch) data(stream applyStream, data mem.BufferSlice, length uint32) error {
	data, err := b.unpacked(data, length)
	if err != nil {
		return invalid("data: %v", err)
	}
	defer data.Free()
	defer b.hashArrived()
	for _, part := range data {
		for at := 0; at < part.Len(); {
			if len(b.awaiting) == 0 { // a step that waits may need no answer
				b.hashArrived()
				if err := b.answer(stream); err != nil {
					return err
				}
			}
			if len(b.awaiting) == 0 {
				return invalid("data: more than was needed")
			}
			first := b.awaiting[0]
			b.mu.Lock()
			want := int(first.c.live(first.segment).length)
			b.mu.Unlock()
			n := min(want-b.gathered, part.Len()-at)
			b.partial = append(b.partial, part.Slice(at, at+n))
			b.gathered += n
			at += n
			if b.gathered == want {
				b.awaiting = b.awaiting[1:]
				complete := b.partial
				b.partial, b.gathered = nil, 0
				b.arrived(first, complete)
			}
		}
	}
	return nil
}

// arrived puts a chunk where it was awaited, and waits while too much waits
// to be read. What is read next never waits for others: contents come in
// order.
func (b *batch) arrived(p place, data mem.BufferSlice) {
	c := p.c
	var offset int64
	var err error
	if c.entry.Size <= tree.LongestShort {
		b.hash(c, data)
	}
	if !c.inMemory() {
		if !c.dropped() {
			offset, err = b.spool(c, p.name(), data)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := c.live(p.segment)
	s.came = true
	if c.inMemory() {
		p.deliver(data)
	} else {
		b.deliverTwins(s, data)
		data.Free()
		if s.ready, s.from, s.offset = true, c.spool, offset; err != nil {
			c.err = err
		}
		c.putAway(p.segment)
	}
	b.changed.Broadcast()
	b.await(c.index)
	for c.streamed && c.buffered > maxStreamed && !c.starved && !c.closed && !b.over && c.err == nil && b.failed == nil && b.ctx.Err() == nil {
		b.hashed() // what is read before it waits for that
		b.changed.Wait()
	}
}

// hashAtOnce is of how many short contents the digests are made together.
const hashAtOnce = 16

// hash has the digest of a short content made which arrives in one chunk: side
// by side with others, which costs less than when it is read.
func (b *batch) hash(c *arriving, data mem.BufferSlice) {
	if c.segments.count != 1 || c.known != c.entry.Size {
		return
	}
	b.short.Add(b.inOnePiece(data), &c.whole)
	c.early = true
	if b.hashing = append(b.hashing, c); len(b.hashing) == hashAtOnce {
		b.hashArrived()
	}
}

// hashArrived makes the digests that were begun.
func (b *batch) hashArrived() {
	if len(b.hashing) > 0 {
		b.short.Flush()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.hashed()
	}
}

// hashed does that when the caller holds b.mu.
func (b *batch) hashed() {
	b.short.Flush()
	for _, c := range b.hashing {
		c.made = true
	}
	b.hashing = b.hashing[:0]
	b.changed.Broadcast()
}

// inOnePiece returns the bytes of data, which are there until the next call.
func (b *batch) inOnePiece(data mem.BufferSlice) []byte {
	if len(data) == 1 {
		return data[0].ReadOnlyData()
	}
	b.spare = b.spare[:0]
	for _, part := range data {
		b.spare = append(b.spare, part.ReadOnlyData()...)
	}
	return b.spare
}

// spool keeps a chunk of a content that is not in memory.
func (b *batch) spool(c *arriving, name wire.ChunkID, data mem.BufferSlice) (offset int64, err error) {
	if c.spool == nil {
		if c.spool, err = b.x.folder.Spool.Begin(); err != nil {
			return 0, err
		}
	}
	raw := b.inOnePiece(data)
	if offset, err = c.spool.Append(name, raw); !tree.IsFull(err) {
		return offset, err
	}
	rest, err := b.x.folder.Spool.Overflow(c.spool, err)
	if err != nil {
		return 0, err
	}
	c.sources = append(c.sources, c.spool) // has what came before
	c.spool = rest
	return rest.Append(name, raw)
}

// await waits while too much waits to be read before the content of action
// index. The caller holds b.mu.
func (b *batch) await(index int) {
	for b.buffered > maxBuffered && index > b.opened && !b.over && b.failed == nil && b.ctx.Err() == nil {
		b.hashed() // what is read waits for that
		b.changed.Wait()
	}
}

// crowded reports whether nothing more should be found for contents in memory.
func (b *batch) crowded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffered > tooMuch
}

// dropped reports whether nobody will read the content any more.
func (c *arriving) dropped() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.closed || c.b.over || c.err != nil
}
