package server

import (
	"sync"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// maxRecent bounds how many chunks a session knows of contents on their way:
// some 5 MB.
const maxRecent = 1 << 16

// recent knows where the chunks of contents on their way are: no index has
// them before their files are published. Safe for concurrent use.
type recent struct {
	mu     sync.Mutex
	places map[wire.ChunkID]place
}

// note remembers the last place to which a chunk was sent.
func (r *recent) note(name wire.ChunkID, p place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.places == nil {
		r.places = map[wire.ChunkID]place{}
	}
	if _, known := r.places[name]; known || len(r.places) < maxRecent {
		r.places[name] = p
	}
}

func (r *recent) find(name wire.ChunkID) (place, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.places[name]
	return p, ok
}

// forget drops what is known of a content.
func (r *recent) forget(c *arriving) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range c.segments {
		if r.places[s.name].c == c {
			delete(r.places, s.name)
		}
	}
}

// share lets s, the next segment of c, have what is at p: bytes that wait in
// memory, or, in the same batch, that will. It reports whether it does. What
// another batch waits for is not waited for: two could wait for each other.
func (b *batch) share(c *arriving, s *segment, p place) bool {
	if !c.inMemory() {
		return false
	}
	p.c.b.mu.Lock()
	defer p.c.b.mu.Unlock()
	from := &p.c.segments[p.segment]
	switch {
	case from.length != s.length:
		return false
	case from.bytes != nil:
		from.bytes.Ref()
		s.ready, s.bytes = true, from.bytes
	case from.ready || p.c.b != b:
		return false
	default:
		s.promised = true
		from.twins = append(from.twins, place{c, len(c.segments)})
	}
	return true
}

// deliver gives a segment its bytes, with their reference, and the segments
// that are to have the same. The caller holds b.mu.
func (b *batch) deliver(p place, data mem.BufferSlice) {
	s := &p.c.segments[p.segment]
	b.deliverTwins(s, data)
	s.ready = true
	if p.c.closed || b.over {
		data.Free()
		return
	}
	s.bytes = data
	p.c.buffered += s.length
	b.buffered += s.length
}

func (b *batch) deliverTwins(s *segment, data mem.BufferSlice) {
	twins := s.twins
	s.twins = nil
	for _, twin := range twins {
		data.Ref()
		b.deliver(twin, data)
	}
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
	path := c.b.actions[c.index].Path
	if c.staged == "" {
		return nil
	}
	return []tree.Path{path.Parent().Join(c.staged), path}
}
