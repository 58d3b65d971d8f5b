package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/zeebo/blake3"
	"google.golang.org/grpc"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Bounds of one batch.
const (
	// inMemory is the size up to which a content is kept in memory while it
	// arrives; a larger one goes through the spool.
	inMemory = 1 << 20
	// maxBuffered is how much of contents may wait in memory to be read.
	maxBuffered = 4 << 20
	// maxUnnamed is the longest chunk that may come without a name.
	maxUnnamed = 4 << 10
	// maxSegments bounds what is kept of one content: 256 GiB of the smallest
	// chunks.
	maxSegments = 16 << 20
	// maxHandles is how many files are held open to take chunks from.
	maxHandles = 32
	// stallLimit is how long a client may say nothing in the middle of a
	// batch: its source may hang, but not for ever.
	stallLimit = 5 * time.Minute
)

// batch is one call of Apply. One goroutine receives, another one carries out.
type batch struct {
	room
	x        *session
	actions  []tree.Action
	contents []*arriving // by action; nil where there is none
	handles  *handles

	// Used by the goroutine that receives.
	current  int // the content that the client tells of; -1 for none
	awaiting []place
	partial  []byte // of the first one awaited
	spare    []byte // the room of one that went into the spool
	reused   []byte // for looking at what may be a chunk of a large content
	inPlace  int    // misses in a row at the same place of the old version
}

// place names a segment that waits for data.
type place struct {
	c       *arriving
	segment int
}

// Apply carries out one batch.
func (x *session) Apply(stream grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error {
	// What has arrived takes effect even if the client is gone by then.
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	b := &batch{x: x, current: -1, handles: &handles{reader: x.folder.Reader, most: maxHandles}}
	b.ctx, b.opened, b.changed = ctx, -1, sync.NewCond(&b.mu)
	defer b.handles.drop()
	if err := b.readActions(stream); err != nil {
		return err
	}
	refused := b.guarded(ctx)
	wake := context.AfterFunc(ctx, b.wake)
	defer wake()

	done := make(chan []tree.Outcome, 1)
	go func() { // ends when all contents have come or b has failed
		outcomes := x.folder.Replica.Apply(ctx, b.actions)
		b.finish()
		done <- outcomes
	}()
	err := b.receive(stream, cancel)
	b.fail(err)
	outcomes := <-done
	for i, refusal := range refused {
		outcomes[i] = tree.Outcome{Err: refusal}
	}
	b.settle(outcomes)
	if err != nil {
		return err
	}
	return sendOutcomes(stream, outcomes)
}

func sendOutcomes(stream grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply], outcomes []tree.Outcome) error {
	const part = 256
	for len(outcomes) > 0 {
		reply := &wire.ApplyReply{}
		n := min(part, len(outcomes))
		for _, o := range outcomes[:n] {
			reply.Outcomes = append(reply.Outcomes, wire.FromOutcome(o))
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
		outcomes = outcomes[n:]
	}
	return nil
}

// readActions reads all actions of the batch.
func (b *batch) readActions(stream grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		if len(b.actions)+len(r.Actions) > wire.MaxActions {
			return invalid("a batch of more than %d actions", wire.MaxActions)
		}
		if len(r.Steps) > 0 || len(r.Data) > 0 {
			return invalid("content before the actions")
		}
		for _, m := range r.Actions {
			a, content, err := wire.ToAction(m)
			if err != nil {
				return invalid("action: %v", err)
			}
			var c *arriving
			if content {
				c = &arriving{b: b, index: len(b.actions)}
				a.Open = c.open
			}
			b.actions = append(b.actions, a)
			b.contents = append(b.contents, c)
		}
		if r.Begin {
			return nil
		}
	}
}

// guarded takes out of the batch what the guard holds, and what a client that
// only looks must not ask for.
func (b *batch) guarded(ctx context.Context) map[int]error {
	refused := map[int]error{}
	for i, a := range b.actions {
		err := b.x.guard.allow(ctx, a)
		if b.x.readOnly {
			err = fmt.Errorf("the session only looks: %w", errReadOnly)
		}
		if err != nil {
			refused[i] = fmt.Errorf("%v: %w", a.Kind, err)
			b.actions[i] = tree.Action{Kind: tree.None, Path: a.Path}
		}
	}
	return refused
}

// open waits until the client begins with the content.
func (c *arriving) open() (tree.Content, error) {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = c.index
	for i := range c.index { // those were passed over
		if skipped := b.contents[i]; skipped != nil && !skipped.closed {
			skipped.free()
		}
	}
	b.changed.Broadcast()
	for {
		switch {
		case c.err != nil:
			return nil, c.err
		case c.begun:
			return c, nil
		case b.ctx.Err() != nil:
			return nil, b.ctx.Err()
		case b.failed != nil:
			return nil, b.failed
		}
		b.changed.Wait()
	}
}

func (b *batch) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.Broadcast()
}

// finish says that nobody reads contents any more.
func (b *batch) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	for _, c := range b.contents {
		if c != nil && !c.closed {
			c.free()
		}
	}
	b.changed.Broadcast()
}

// fail says that nothing more will arrive.
func (b *batch) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		b.failed = fmt.Errorf("%w: the content did not come", tree.ErrUnreachable)
	}
	b.changed.Broadcast()
}

// receive takes what the client sends until it has no more.
func (b *batch) receive(stream grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply], cancel func()) error {
	stalled := time.AfterFunc(stallLimit, func() { b.x.conn.Close() })
	defer stalled.Stop()
	for {
		r, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		stalled.Reset(stallLimit)
		if r.Cancel {
			cancel()
		}
		if len(r.Actions) > 0 || r.Begin {
			return invalid("actions after the beginning")
		}
		reply, err := b.steps(r.Steps)
		if err != nil {
			return invalid("step: %v", err)
		}
		if reply != nil {
			if err := stream.Send(reply); err != nil {
				return err
			}
		}
		if len(r.Data) > 0 {
			if err := b.data(r.Data, r.Length); err != nil {
				return invalid("data: %v", err)
			}
		}
		if b.current >= 0 && len(b.awaiting) == 0 {
			b.mu.Lock()
			b.await(b.current)
			b.mu.Unlock()
		}
	}
}

// steps takes what the client tells of contents, and answers what it has to
// send of them.
func (b *batch) steps(steps []*wire.Step) (*wire.ApplyReply, error) {
	reply := &wire.ApplyReply{}
	offered := 0
	for _, step := range steps {
		c, err := b.begin(step)
		if err != nil {
			return nil, err
		}
		if offered += len(step.Chunks); offered > wire.MaxSteps {
			return nil, fmt.Errorf("more than %d chunks", wire.MaxSteps)
		}
		for _, m := range step.Chunks {
			named, needed, err := b.chunk(c, m)
			if err != nil {
				return nil, err
			}
			if !named {
				continue
			}
			if reply.Answered%8 == 0 {
				reply.Need = append(reply.Need, 0)
			}
			if needed {
				reply.Need[reply.Answered/8] |= 1 << (reply.Answered % 8)
			}
			reply.Answered++
		}
		if step.Last {
			if err := b.end(c, step); err != nil {
				return nil, err
			}
		}
	}
	if reply.Answered == 0 {
		return nil, nil
	}
	return reply, nil
}

// begin returns the content that a step is about.
func (b *batch) begin(step *wire.Step) (*arriving, error) {
	index := int(step.Index)
	if index >= len(b.contents) || b.contents[index] == nil {
		return nil, fmt.Errorf("action %d has no content", step.Index)
	}
	c := b.contents[index]
	if index == b.current {
		if c.complete || step.Entry != nil {
			return nil, errors.New("more of a content that is complete")
		}
		return c, nil
	}
	if index < b.current || b.current >= 0 && !b.contents[b.current].complete {
		return nil, errors.New("contents come out of turn")
	}
	if step.Entry == nil && step.Error == nil {
		return nil, errors.New("a content that does not say what it is")
	}
	b.current, b.inPlace = index, 0
	b.mu.Lock()
	defer b.mu.Unlock()
	if step.Entry != nil {
		entry, err := wire.ToEntry(step.Entry)
		if err != nil {
			return nil, err
		}
		if entry.Kind != tree.File {
			return nil, fmt.Errorf("content of a %v", entry.Kind)
		}
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
	case m.Length <= 0 || m.Length > c.entry.Size-c.known || len(c.segments) >= maxSegments:
		return false, false, fmt.Errorf("chunk of %d bytes", m.Length)
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closed || b.over {
		s.bytes = nil
	}
	c.buffered += int64(len(s.bytes))
	b.buffered += int64(len(s.bytes))
	c.segments = append(c.segments, s)
	c.known += s.length
	if !s.ready {
		b.awaiting = append(b.awaiting, place{c, len(c.segments) - 1})
	}
	b.changed.Broadcast()
	return s.named, !s.ready, nil
}

// find looks for a chunk in the spool, at the same place of the file's old
// version, and where the index last saw it. What is found is held against its
// name; a small content keeps the bytes.
func (b *batch) find(c *arriving, s *segment) {
	var buf []byte // only for what may be it
	is := func(r io.ReaderAt, offset int64) bool {
		if buf == nil {
			buf = b.scratch(c, s.length)
		}
		return readFull(r, buf, offset) == nil && wire.ChunkIDOf(blake3.Sum256(buf)) == s.name
	}
	found := func(r io.ReaderAt, offset int64) {
		if c.entry.Size <= inMemory && b.crowded() {
			return // sent, it waits for its turn
		}
		s.ready, s.from, s.offset = true, r, offset
		if c.entry.Size <= inMemory {
			s.bytes, s.from = buf, nil
		}
	}
	f := b.x.folder
	if f.Spool != nil {
		if spooled, offset, ok := f.Spool.Find(s.name, s.length); ok {
			c.sources = append(c.sources, spooled)
			if is(spooled, offset) {
				found(spooled, offset)
				return
			}
		}
	}
	a := b.actions[c.index]
	if a.Kind == tree.Update && b.inPlace < 4 {
		b.inPlace++
		if old, err := b.source(c, a.Path); err == nil && is(old, s.start) {
			b.inPlace = 0
			found(old, s.start)
			return
		}
	}
	if place, ok := f.Index.Find(s.name); ok {
		if other, err := b.source(c, place.Path); err == nil && is(other, place.Offset) {
			found(other, place.Offset)
		}
	}
}

// scratch returns room for a chunk: a small content keeps it, for a large one
// it is good until the next chunk.
func (b *batch) scratch(c *arriving, length int64) []byte {
	if c.entry.Size <= inMemory || c.unspooled() {
		return make([]byte, length)
	}
	if b.reused == nil {
		b.reused = make([]byte, wire.MaxChunk)
	}
	return b.reused[:length]
}

// unspooled reports whether the content stays in memory for want of a spool.
func (c *arriving) unspooled() bool { return c.b.x.folder.Spool == nil }

// source opens a file of the replica to take chunks from. Where all handles
// are taken by small contents, which have what they need, they are given up.
func (b *batch) source(c *arriving, path tree.Path) (tree.Content, error) {
	content, err := b.handles.get(path)
	if errors.Is(err, errManyHandles) && c.entry.Size <= inMemory && !b.holdsHandles() {
		b.handles.drop()
		content, err = b.handles.get(path)
	}
	return content, err
}

// holdsHandles reports whether a content reads from files of the replica.
func (b *batch) holdsHandles() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.contents {
		if c != nil && c.begun && !c.closed && c.entry.Size > inMemory {
			return true
		}
	}
	return false
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
	b.changed.Broadcast()
	return nil
}

var errReadOnly = errors.New("nothing may be changed")

// data takes bytes of the chunks that are awaited.
func (b *batch) data(data []byte, length uint32) error {
	if length > 0 {
		if length > wire.MaxMessage {
			return fmt.Errorf("%d bytes compressed in one message", length)
		}
		raw, err := b.x.decoder.DecodeAll(data, make([]byte, 0, length))
		if err != nil {
			return err
		}
		if len(raw) != int(length) {
			return fmt.Errorf("%d bytes came out of what should be %d", len(raw), length)
		}
		data = raw
	}
	for len(data) > 0 {
		if len(b.awaiting) == 0 {
			return errors.New("more than was needed")
		}
		first := b.awaiting[0]
		b.mu.Lock()
		want := int(first.c.segments[first.segment].length)
		b.mu.Unlock()
		if b.partial == nil {
			if first.c.entry.Size <= inMemory || first.c.unspooled() {
				b.partial = make([]byte, 0, want)
			} else {
				b.partial = slices.Grow(b.spare[:0], want)
			}
		}
		n := min(want-len(b.partial), len(data))
		b.partial = append(b.partial, data[:n]...)
		data = data[n:]
		if len(b.partial) == want {
			b.arrived(first, b.partial)
			if first.c.entry.Size > inMemory && !first.c.unspooled() {
				b.spare = b.partial // it is in the spool
			}
			b.awaiting, b.partial = b.awaiting[1:], nil
		}
	}
	return nil
}

// arrived puts a chunk where it was awaited, and waits while too much waits
// to be read. What is read next never waits: contents come in order.
func (b *batch) arrived(p place, data []byte) {
	c := p.c
	large := c.entry.Size > inMemory && b.x.folder.Spool != nil
	var offset int64
	var err error
	if large && !c.dropped() {
		if c.spool == nil {
			c.spool, err = b.x.folder.Spool.Begin()
		}
		if err == nil {
			offset, err = c.spool.Append(c.segments[p.segment].name, data)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &c.segments[p.segment]
	switch {
	case err != nil:
		c.err = err
	case large:
		s.from, s.offset = c.spool, offset
	case !c.closed && !b.over:
		s.bytes = data
		c.buffered += int64(len(data))
		b.buffered += int64(len(data))
	}
	s.ready = true
	b.changed.Broadcast()
	b.await(c.index)
}

// await waits while too much waits to be read before the content of action
// index. The caller holds b.mu.
func (b *batch) await(index int) {
	for b.buffered > maxBuffered && index > b.opened && !b.over && b.failed == nil && b.ctx.Err() == nil {
		b.changed.Wait()
	}
}

// crowded reports whether nothing more should be found for contents in memory.
func (b *batch) crowded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffered > 2*maxBuffered
}

// dropped reports whether nobody will read the content any more.
func (c *arriving) dropped() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.closed || c.b.over || c.err != nil
}

// settle remembers where chunks are now, and gives up what is spooled.
func (b *batch) settle(outcomes []tree.Outcome) {
	index := b.x.folder.Index
	for i, o := range outcomes {
		a := b.actions[i]
		if o.Err == nil && o.Did == tree.Rename {
			index.Rename(a.From, a.Path)
		}
		c := b.contents[i]
		if c == nil {
			continue
		}
		if f, named := c.file(a.Path); o.Err == nil && named {
			index.Note(f)
		}
		// A spool that cannot be cleared is cleared when it is old.
		_ = c.release(o.Err == nil)
	}
}
