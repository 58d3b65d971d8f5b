package server

import (
	"fmt"
	"io/fs"
	"maps"
	"sync"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// maxRecent bounds how many chunks a session knows of contents on their way:
// some 5 MB.
const maxRecent = 1 << 16

// recent knows where the chunks of contents on their way are: no index has
// them before their files are published. The caller of its methods holds mu,
// which guards what the batches of the session have received.
type recent struct {
	mu     sync.Mutex
	places map[wire.ChunkID]place
	live   int // segments of all contents that are in memory
}

// note remembers the last place to which a chunk was sent.
func (r *recent) note(name wire.ChunkID, p place) {
	if r.places == nil {
		r.places = map[wire.ChunkID]place{}
	}
	if _, known := r.places[name]; known || len(r.places) < maxRecent {
		r.places[name] = p
	}
}

func (r *recent) find(name wire.ChunkID) (place, bool) {
	p, ok := r.places[name]
	return p, ok
}

// forget drops what is known of a content.
func (r *recent) forget(c *arriving) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.segments.count > maxRecent {
		maps.DeleteFunc(r.places, func(_ wire.ChunkID, p place) bool { return p.c == c })
		return
	}
	for i := range c.segments.count {
		if s, err := c.segment(i); err == nil && r.places[s.name].c == c {
			delete(r.places, s.name)
		}
	}
}

// share lets s, the next segment of c, have bytes that wait in memory for
// another segment of that name, or that will. It reports whether it does. The
// caller holds b.mu.
func (b *batch) share(c *arriving, s *segment) bool {
	p, known := b.x.recent.find(s.name)
	if !known || !c.inMemory() || b.buffered > tooMuch {
		return false
	}
	from, lender := p.c.live(p.segment), p.c.b
	switch {
	case from == nil:
		return false
	case from.length != s.length:
		return false
	case from.bytes != nil:
		from.bytes.Ref()
		s.ready, s.bytes = true, from.bytes
	case from.ready || lender.failed != nil || lender.needs(b):
		return false
	default:
		s.promised = lender
		from.twins = append(from.twins, place{c, c.segments.count, s.start})
		b.waitFor(lender, 1)
	}
	return true
}

// needs reports whether b cannot go on before other does: then other must not
// wait for b. The caller holds b.mu.
func (b *batch) needs(other *batch) bool {
	seen := map[*batch]bool{b: true}
	for left := []*batch{b}; len(left) > 0; {
		last := left[len(left)-1]
		left = left[:len(left)-1]
		for lender := range last.waits {
			if lender == other {
				return true
			}
			if !seen[lender] {
				seen[lender] = true
				left = append(left, lender)
			}
		}
	}
	return false
}

// waitFor counts segments that are promised by another batch. The caller holds
// b.mu.
func (b *batch) waitFor(lender *batch, n int) {
	if lender == b {
		return
	}
	if b.waits == nil {
		b.waits = map[*batch]int{}
	}
	if b.waits[lender] += n; b.waits[lender] == 0 {
		delete(b.waits, lender)
	}
}

// borrows reports whether what is at offset is promised by another batch. The
// caller holds b.mu.
func (c *arriving) borrows(offset int64) bool {
	if offset >= c.known {
		return false
	}
	_, s, err := c.at(offset)
	return err == nil && s.promised != nil && s.promised != c.b
}

// deliver gives a segment its bytes, with their reference, and the segments
// that are to have the same. The caller holds b.mu.
func (p place) deliver(data mem.BufferSlice) {
	c, b := p.c, p.c.b
	s := c.live(p.segment)
	b.deliverTwins(s, data)
	s.ready = true
	b.changed.Broadcast()
	if c.closed || b.over {
		data.Free()
		c.putAway(p.segment)
		return
	}
	s.bytes = data
	c.buffered += s.room()
	b.buffered += s.room()
}

// deliverTwins gives what came for s, of this batch, to its twins.
func (b *batch) deliverTwins(s *segment, data mem.BufferSlice) {
	for _, twin := range b.takeTwins(s) {
		data.Ref()
		twin.deliver(data)
	}
}

func (b *batch) takeTwins(s *segment) []place {
	twins := s.twins
	s.twins = nil
	for _, twin := range twins {
		twin.c.b.waitFor(b, -1)
	}
	return twins
}

// errNotShared: the client offers the content again.
var errNotShared = fmt.Errorf("%w: what it has in common with another content did not come", tree.ErrConflict)

// disappoint tells the twins of s, of this batch, that nothing comes for it.
// The caller holds b.mu.
func (b *batch) disappoint(s *segment) {
	for _, twin := range b.takeTwins(s) {
		if twin.c.err == nil {
			twin.c.err = errNotShared
		}
		twin.c.b.changed.Broadcast()
	}
}

// Named reports whether another server is to find what arrived if this one is
// killed: so it is with what is kept for the next attempt.
func (c *arriving) Named() bool { return c.entry.Size > inMemory }

// Unnamed notes that the content stands there without a name.
func (c *arriving) Unnamed(file tree.Nameless) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.unnamed = file
}

// Staging notes under which name the content stands until it is published.
func (c *arriving) Staging(name string) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.staged = name
}

// gone says that nothing of it stands there any more.
func (c *arriving) gone() { c.Staging("") }

// standing returns where a content that was read may stand by now.
func (c *arriving) standing() []tree.Path {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	published := c.b.actions[c.index].Path
	if c.unnamed != nil {
		return []tree.Path{published}
	}
	written := c.writtenTo()
	if written == "" {
		return nil
	}
	return []tree.Path{written, published}
}

// reopen opens what stands there without a name. Errors: [fs.ErrNotExist].
func (c *arriving) reopen() (tree.ReadAtCloser, error) {
	c.b.mu.Lock()
	file := c.unnamed
	c.b.mu.Unlock()
	if file == nil {
		return nil, fs.ErrNotExist
	}
	return file.Again()
}

// writtenTo returns where it is written until it is published; "" before. The
// caller holds b.mu.
func (c *arriving) writtenTo() tree.Path {
	if c.staged == "" {
		return ""
	}
	return c.b.actions[c.index].Path.Parent().Join(c.staged)
}
