package server

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Bounds of one batch.
const (
	// inMemory is the size up to which a content is kept in memory until it is
	// complete. Of a larger one that replaces no file, up to maxStreamed wait
	// to be written; another one goes through the spool.
	inMemory    = 1 << 20
	maxStreamed = 4 << 20
	// rescueWithin is how long the server keeps what arrived of a content when
	// it is told to stop.
	rescueWithin = time.Second
	// maxBuffered is how much of contents may wait in memory to be read.
	maxBuffered = 4 << 20
	// tooMuch is how much waits where nothing more is to be found for contents
	// in memory.
	tooMuch = 2 * maxBuffered
	// maxDelayed is how many steps, and chunks of them, may wait until there is
	// room; a client of ours tells half of that before it is answered.
	maxDelayed = 32768
	// maxUnnamed is the longest chunk that may come without a name.
	maxUnnamed = 4 << 10
	// leastRoom is how much memory a segment with few bytes takes, about, and the
	// hole that may follow it.
	leastRoom = 1 << 10
	// maxHandles is how many files are held open to take chunks from.
	maxHandles = 32
	// stallLimit is how long a client may say nothing in the middle of a
	// batch, or hear nothing of it: its source may hang, but not for ever.
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
	stalled  *time.Timer  // ends the session when it has waited too long for the client
	current  int          // the content that the client tells of; -1 for none
	delayed  []*wire.Step // what came and is not taken yet
	untaken  int          // contents and parts of contents that delayed tells of
	unasked  int          // and chunks
	next     following    // to be taken before delayed
	awaiting []place
	partial  mem.BufferSlice     // of the first one awaited
	gathered int                 // bytes in partial
	spare    []byte              // a chunk in one piece
	short    *tree.ShortContents // of which the digests are made
	hashing  []*arriving
	reused   []byte // for looking at what may be a chunk of a large content
	inPlace  int    // misses in a row at the same place of the old version
}

// shorts are for one batch after the other.
var shorts = sync.Pool{New: func() any { return new(tree.ShortContents) }}

type applyStream = grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]

// place names a segment that waits for data.
type place struct {
	c       *arriving
	segment int
	start   int64 // in the content
}

// name is that of the segment, which has not come yet.
func (p place) name() wire.ChunkID {
	p.c.b.mu.Lock()
	defer p.c.b.mu.Unlock()
	return p.c.live(p.segment).name
}

// Apply carries out one batch.
func (x *session) Apply(stream applyStream) error {
	if x.readOnly {
		return invalid("the session only looks")
	}
	if err := x.enter(stream.Context()); err != nil {
		return err
	}
	defer x.leave()
	// What has arrived takes effect even if the client is gone by then.
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	b := &batch{x: x, current: -1, handles: &handles{reader: x.folder.Reader, most: maxHandles}, short: shorts.Get().(*tree.ShortContents)}
	defer shorts.Put(b.short) // after the last is made
	b.ctx, b.opened, b.mu = ctx, -1, &x.recent.mu
	b.changed = sync.NewCond(b.mu)
	defer b.handles.drop()
	defer b.forget()
	b.stalled = time.AfterFunc(stallLimit, func() { x.conn.Close() })
	defer b.stalled.Stop()
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
	return b.sendOutcomes(stream, outcomes)
}

func (b *batch) sendOutcomes(stream applyStream, outcomes []tree.Outcome) error {
	const part = 256
	reply := &wire.ApplyReply{}
	send := func() error { return b.withClient(func() error { return stream.Send(reply) }) }
	for i, o := range outcomes {
		if c := b.contents[i]; c != nil && wire.IsPlain(o, c.entry.Size) {
			reply.Plain++
			continue
		}
		m := wire.FromOutcome(o)
		m.Plain, reply.Plain = reply.Plain, 0
		if reply.Outcomes = append(reply.Outcomes, m); len(reply.Outcomes) < part {
			continue
		}
		if err := send(); err != nil {
			return err
		}
		reply = &wire.ApplyReply{}
	}
	if reply.Plain == 0 && len(reply.Outcomes) == 0 {
		return nil
	}
	return send()
}

// readActions reads all actions of the batch.
func (b *batch) readActions(stream applyStream) error {
	r, size := &wire.Received{}, 0
	for {
		if err := b.withClient(func() error { return stream.RecvMsg(r) }); err != nil {
			return err
		}
		if len(b.actions)+len(r.Actions) > wire.MaxActions {
			return invalid("a batch of more than %d actions", wire.MaxActions)
		}
		if len(r.Steps) > 0 || len(r.Data) > 0 {
			return invalid("content before the actions")
		}
		if len(r.Actions) == 0 && !r.Begin {
			return invalid("a message that says nothing")
		}
		b.actions, b.contents = slices.Grow(b.actions, len(r.Actions)), slices.Grow(b.contents, len(r.Actions))
		room := make([]arriving, len(r.Actions))
		for i, m := range r.Actions {
			a, content, err := wire.ToAction(m)
			if err != nil {
				return invalid("action: %v", err)
			}
			if size += wire.ActionSize(a); size > wire.MaxBatch+wire.MaxAction {
				return invalid("a batch of more than %d bytes", wire.MaxBatch)
			}
			var c *arriving
			if content {
				c = &room[i]
				c.b, c.index = b, len(b.actions)
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

// guarded takes out of the batch what the guard holds.
func (b *batch) guarded(ctx context.Context) map[int]error {
	refused := map[int]error{}
	for i, a := range b.actions {
		if err := b.x.guard.allow(ctx, a); err != nil {
			refused[i] = fmt.Errorf("%v: %w", a.Kind, err)
			b.actions[i] = tree.Action{Kind: tree.None, Path: a.Path, Want: a.Want}
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
	for ; b.passed < c.index; b.passed++ { // nobody reads those any more
		if before := b.contents[b.passed]; before != nil && !before.closed {
			before.free()
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
	b.hashed()
	b.gone = err != nil
	if b.failed == nil {
		b.failed = fmt.Errorf("%w: the content did not come", tree.ErrUnreachable)
	}
	for _, p := range b.awaiting {
		b.disappoint(p.c.live(p.segment))
	}
	b.changed.Broadcast()
}

// receive takes what the client sends until it has no more.
func (b *batch) receive(stream applyStream, cancel func()) error {
	r := &wire.Received{}
	for {
		err := b.withClient(func() error { return stream.RecvMsg(r) })
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Cancel {
			cancel()
		}
		if len(r.Actions) > 0 || r.Begin {
			return invalid("actions after the beginning")
		}
		if len(r.Steps) == 0 && len(r.Data) == 0 && !r.Cancel {
			return invalid("a message that says nothing")
		}
		if len(r.Data) > 0 {
			if err := b.data(stream, r.Data, r.Length); err != nil {
				return err
			}
		}
		if err := b.delay(r.Steps); err != nil {
			return err
		}
		if err := b.answer(stream); err != nil {
			return err
		}
		if b.current >= 0 && len(b.awaiting) == 0 {
			b.mu.Lock()
			b.await(b.current)
			b.mu.Unlock()
		}
	}
}

// answer takes the steps that came, as far as there is room for what they may
// find.
func (b *batch) answer(stream applyStream) error {
	reply, err := b.steps()
	if err != nil {
		return invalid("step: %v", err)
	}
	if reply == nil {
		return nil
	}
	return b.withClient(func() error { return stream.Send(reply) })
}

// withClient does what the client may be waited for with. How long the server
// takes for all else is not the client's fault.
func (b *batch) withClient(do func() error) error {
	b.stalled.Reset(stallLimit)
	defer b.stalled.Stop()
	return do()
}

// full reports whether steps have to wait: too much waits to be read, or is known
// of contents, and some of what comes first is still awaited. Without that,
// [batch.await] waits.
func (b *batch) full() bool {
	if len(b.awaiting) == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return (b.buffered > maxBuffered || b.live > manyLive) && !b.over
}

// forget gives up what is kept of contents.
func (b *batch) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.x.recent.live -= b.live
	b.away.close()
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
		if o.Done() {
			c.remember(a.Path)
		}
		b.x.recent.forget(c)
		// A spool that cannot be cleared is cleared when it is old.
		_ = c.release(o.Done())
	}
}
