package client

import (
	"errors"
	"io"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Bounds of what one call keeps in memory and sends at once.
const (
	// window is how much content may be offered and not yet answered or sent.
	window = 4 << 20
	// offerSize is how much content the chunks of one message may come to,
	// and offerChunks how many they may be: then the server can answer.
	offerSize   = 1 << 20
	offerChunks = 512
	// packetSize is how much is packed and sent at once.
	packetSize = 700 << 10
	// Where packing gains less than a sixteenth, the next packets are not
	// packed, up to that many.
	packGain    = 16
	mostSkipped = 64
)

// offered is a chunk that is kept until the server has answered.
type offered struct {
	data  mem.Buffer
	named bool
}

// content offers the content of action i. Its error ends the call; what is
// wrong with the content alone is noted in the outcome.
func (s *sending) content(i int) error {
	a := &s.actions[i]
	content, err := a.Open()
	if err != nil {
		return s.giveUp(i, err)
	}
	defer content.Close()
	e := content.Entry()
	s.outcomes[i].Entry = e
	s.outcomes[i].Entry.Name = a.Path.Name()
	first := s.tell(i)
	if first.Planned = wire.IsPlanned(a.Want, e); !first.Planned {
		if err := wire.CheckEntry(e); err != nil {
			return s.giveUp(i, err)
		}
		wire.PutEntry(&first.entry, e)
		first.Entry = &first.entry
	}
	cut := &s.cut
	*cut = cutting{s: s, index: i, size: e.Size, hash: &s.hash}
	cut.hash.begin(e.Size)
	err = chunk.Cut(content, e.Size, &s.room, s.emit)
	digest := cut.digest() // of a short content it comes later
	switch {
	case s.ctx.Err() != nil:
		return nil // send says so
	case cut.broken != nil:
		return cut.broken
	}
	if err == nil {
		if err = content.Changed(); a.Unsettled && errors.Is(err, tree.ErrChanged) {
			err = nil
		}
	}
	if err != nil {
		return s.giveUp(i, err)
	}
	last := s.step(i)
	if last.Last, last.Digest = true, last.digest[:]; !last.hashed {
		last.digest, s.outcomes[i].Digest = digest, digest
	}
	last.whole = last == first && first.Planned && cut.whole()
	return s.offer()
}

// giveUp tells the server that no content comes, or no more of it.
func (s *sending) giveUp(i int, cause error) error {
	s.outcomes[i].Err = cause
	last := s.step(i)
	last.Last, last.Error = true, wire.FromError(cause)
	return s.offer()
}

// cutting is one content on its way.
type cutting struct {
	s      *sending
	index  int
	size   int64
	hash   *hashing
	only   tree.Digest // when the content is one chunk
	known  bool        // it is: what digest returns is only, or comes later
	broken error       // why the call ends
}

// take offers the next stretch.
func (c *cutting) take(p chunk.Piece) error {
	if c.broken = c.s.ctx.Err(); c.broken == nil {
		c.broken = c.piece(p)
	}
	return c.broken
}

func (c *cutting) piece(p chunk.Piece) error {
	s := c.s
	step := s.step(c.index)
	m, name := step.nextChunk()
	m.Length, m.Hole, m.Digest = p.Length, p.Data == nil, nil
	if p.Data == nil {
		c.zeros(p.Length)
	} else {
		o := offered{data: s.room.slice(p.Data), named: c.size >= chunk.Least}
		if o.named {
			m.Digest = name[:]
		}
		s.queue = append(s.queue, o)
		s.queued += p.Length
		s.covered += p.Length
		if p.Length == c.size && p.Length <= tree.LongestShort {
			s.short.Add(p.Data, &step.digest)
			step.hashed, c.known = true, true
			return nil // it is offered with its last step, the same one
		}
		*name = c.hashed(p, o.data)
	}
	return s.offer()
}

// zeros hashes a hole, if the call goes on for as long.
func (c *cutting) zeros(n int64) {
	for ; n > 0 && c.s.ctx.Err() == nil; n -= tree.ZerosAtOnce {
		c.hash.zeros(min(n, tree.ZerosAtOnce))
	}
}

// hashed hashes a chunk for the digest of the whole and returns its name: a
// content of one chunk has but one hash.
func (c *cutting) hashed(p chunk.Piece, data mem.Buffer) wire.ChunkID {
	if p.Length == c.size && p.Length <= tree.ContentBlock {
		c.only, c.known = tree.HashContent(p.Data), true
		return wire.ChunkIDOf(c.only)
	}
	c.hash.write(data)
	return p.Name()
}

// whole reports whether the content is one chunk, or none.
func (c *cutting) whole() bool { return c.known || c.size == 0 }

func (c *cutting) digest() tree.Digest {
	if c.known {
		return c.only
	}
	return c.hash.sum()
}

// offer sends the steps when they are many, and what was answered meanwhile.
func (s *sending) offer() error {
	chunks := 0
	if s.told > 0 {
		chunks = len(s.steps[s.told-1].Chunks)
	}
	if s.covered < offerSize && s.told < offerChunks && chunks < offerChunks {
		return nil
	}
	if err := s.flushSteps(); err != nil {
		return err
	}
	return s.pump(window)
}

// pump sends what the server needs, as far as it has answered, and waits for
// answers while more than limit is kept.
func (s *sending) pump(limit int64) error {
	for len(s.queue) > 0 {
		first := s.queue[0]
		need := true
		if first.named {
			answered, err := s.answer(&need, s.queued > limit)
			if err != nil {
				return err
			}
			if !answered {
				break
			}
		}
		s.queue = s.queue[1:]
		n := first.data.Len()
		s.queued -= int64(n)
		if !need {
			first.data.Free()
			continue
		}
		s.packet = append(s.packet, first.data)
		if s.gathered += n; s.gathered >= packetSize {
			if err := s.flushPacket(); err != nil {
				return err
			}
		}
	}
	return s.flushPacket()
}

// answer returns the next answer; false when it has not come and is not waited
// for.
func (s *sending) answer(need *bool, wait bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.answers) == 0 {
		switch {
		case s.received != nil && s.received != io.EOF:
			return false, io.EOF // receive knows why
		case s.received == io.EOF:
			return false, lies("the call ended before it was answered")
		case s.ctx.Err() != nil || !wait:
			return false, nil
		}
		if len(s.packet) > 0 { // what is ready must not wait with it
			s.mu.Unlock()
			err := s.flushPacket()
			s.mu.Lock()
			if err != nil {
				return false, err
			}
			continue
		}
		s.changed.Wait()
	}
	*need = s.answers[0]
	s.answers = s.answers[1:]
	return true, nil
}

// flushPacket sends what was gathered, packed if that pays.
func (s *sending) flushPacket() error {
	if len(s.packet) == 0 {
		return nil
	}
	packet := s.pack()
	s.packet, s.gathered = nil, 0
	return s.stream.SendMsg(packet)
}

func (s *sending) pack() *wire.Packet {
	plain := &wire.Packet{Data: s.packet}
	if s.l.near.Load() {
		return plain
	}
	if s.skip > 0 {
		s.skip--
		return plain
	}
	s.loose = s.loose[:0]
	for _, part := range s.packet {
		s.loose = append(s.loose, part.ReadOnlyData()...)
	}
	packed := s.r.packer.EncodeAll(s.loose, make([]byte, 0, len(s.loose)))
	if len(packed) < len(s.loose)-len(s.loose)/packGain {
		s.skipNext = 0
		s.packet.Free()
		return &wire.Packet{Data: mem.BufferSlice{mem.SliceBuffer(packed)}, Length: uint32(len(s.loose))}
	}
	if len(s.loose) >= packetSize/2 { // a small one says little
		s.skipNext = min(max(2*s.skipNext, 4), mostSkipped)
		s.skip = s.skipNext
	}
	return plain
}
