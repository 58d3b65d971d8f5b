package client

import (
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// messages has room for those of one call, and then for those of another.
type messages struct {
	actions []*action
	steps   []*step
	short   tree.ShortContents // of which the digests go into the steps
	hash    hashing
}

// action is an action with room for what it wants.
type action struct {
	wire.Action
	want wire.Entry
}

// action returns the one at place i of a message.
func (m *messages) action(i int) *action {
	if i == len(m.actions) {
		m.actions = append(m.actions, &action{})
	}
	return m.actions[i]
}

// step is a step with room for what most of them hold. Those of a message are
// used for the next one.
type step struct {
	wire.Step
	entry  wire.Entry
	chunk  wire.Chunk // the first one
	only   [1]*wire.Chunk
	name   wire.ChunkID
	digest tree.Digest
	hashed bool // digest and name are there when the steps are sent
	whole  bool // it tells all of a content that is planned, and one chunk at most
}

// tell returns another step, about the content of action i.
func (s *sending) tell(i int) *step {
	if s.told == len(s.steps) {
		s.steps = append(s.steps, &step{})
	}
	next := s.steps[s.told]
	s.told++
	next.Index, next.Last, next.Chunks = uint32(i), false, next.only[:0]
	next.Entry, next.Planned, next.Digest, next.Error = nil, false, nil, nil
	next.hashed, next.whole, next.Following = false, false, next.Following[:0]
	return next
}

// step returns the step that tells of the content of action i.
func (s *sending) step(i int) *step {
	if s.told > 0 {
		if last := s.steps[s.told-1]; last.Index == uint32(i) && !last.Last {
			return last
		}
	}
	return s.tell(i)
}

// nextChunk adds a chunk, and returns it with room for its name.
func (t *step) nextChunk() (*wire.Chunk, *wire.ChunkID) {
	m, name := &t.chunk, &t.name
	if len(t.Chunks) > 0 {
		m, name = &wire.Chunk{}, &wire.ChunkID{}
	}
	t.Chunks = append(t.Chunks, m)
	return m, name
}

// flushSteps sends the steps that are told. Most tell of a whole content of the
// action after the one before: of those, the digest says it all.
func (s *sending) flushSteps() error {
	if s.told == 0 {
		return nil
	}
	s.short.Flush()
	named := 0
	request := &wire.ApplyRequest{Steps: make([]*wire.Step, 0, s.told)}
	var lead *step
	for _, step := range s.steps[:s.told] {
		if step.hashed {
			step.name = wire.ChunkIDOf(step.digest)
			s.outcomes[step.Index].Digest = step.digest
		}
		for _, c := range step.Chunks {
			if len(c.Digest) > 0 {
				named++
			}
		}
		if lead != nil && step.whole && int(step.Index) == lead.next() {
			lead.Following = append(lead.Following, step.digest[:]...)
			continue
		}
		request.Steps = append(request.Steps, &step.Step)
		if lead = nil; step.Last {
			lead = step
		}
	}
	s.mu.Lock()
	s.offers += named
	s.mu.Unlock()
	err := s.stream.Send(request)
	s.told, s.covered = 0, 0
	return err
}

// next is the action of which t tells nothing yet.
func (t *step) next() int { return int(t.Index) + 1 + len(t.Following)/len(tree.Digest{}) }
