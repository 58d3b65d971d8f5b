package server

import (
	"errors"
	"fmt"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// following are contents that a step tells of by their digests alone, from
// that of the action at index on.
type following struct {
	index   int
	digests []byte

	// Room for a step about one of them.
	step  wire.Step
	chunk wire.Chunk
	only  [1]*wire.Chunk
	name  wire.ChunkID
}

const digestSize = len(tree.Digest{})

// delay keeps the steps of a message until they are taken.
func (b *batch) delay(steps []*wire.Step) error {
	offered := 0
	for _, step := range steps {
		if offered += len(step.Chunks); offered > wire.MaxSteps {
			return invalid("step: more than %d chunks in one message", wire.MaxSteps)
		}
		b.untaken += 1 + len(step.Following)/digestSize
		if b.unasked += len(step.Chunks); b.untaken+b.unasked > maxDelayed {
			return invalid("step: more than %d at once", maxDelayed)
		}
	}
	b.delayed = append(b.delayed, steps...)
	return nil
}

// steps takes what the client tells of contents, and answers what it has to
// send of them.
func (b *batch) steps() (*wire.ApplyReply, error) {
	reply := &wire.ApplyReply{}
	for b.untaken > 0 && !b.full() {
		b.untaken--
		step, err := b.nextStep() // which may be one of those that follow another
		if err != nil {
			return nil, err
		}
		if err := b.step(step, reply); err != nil {
			return nil, err
		}
	}
	if reply.Answered == 0 {
		return nil, nil
	}
	return reply, nil
}

// nextStep returns the step that is to be taken next, which is good until the
// next call.
func (b *batch) nextStep() (*wire.Step, error) {
	if len(b.next.digests) > 0 {
		return b.follow()
	}
	step := b.delayed[0]
	b.delayed = b.delayed[1:]
	b.unasked -= len(step.Chunks)
	if len(step.Following)%digestSize != 0 {
		return nil, errors.New("a digest is cut off")
	}
	b.next.index, b.next.digests = int(step.Index)+1, step.Following
	return step, nil
}

// follow returns a step about the next content of which only the digest was
// told.
func (b *batch) follow() (*wire.Step, error) {
	n := &b.next
	if n.index >= len(b.actions) {
		return nil, fmt.Errorf("no action %d", n.index)
	}
	digest, size := n.digests[:digestSize], b.actions[n.index].Want.Size
	n.step = wire.Step{Index: uint32(n.index), Planned: true, Last: true, Digest: digest}
	if size > 0 {
		n.chunk, n.only[0] = wire.Chunk{Length: size}, &n.chunk
		if n.step.Chunks = n.only[:]; size >= chunk.Least {
			n.name = wire.ChunkIDOf(tree.Digest(digest))
			n.chunk.Digest = n.name[:]
		}
	}
	n.index, n.digests = n.index+1, n.digests[digestSize:]
	return &n.step, nil
}

// step takes one step, and adds to the answer.
func (b *batch) step(step *wire.Step, reply *wire.ApplyReply) error {
	c, err := b.begin(step)
	if err != nil {
		return err
	}
	for _, m := range step.Chunks {
		named, needed, err := b.chunk(c, m)
		if err != nil {
			return err
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
		return b.end(c, step)
	}
	if len(step.Chunks) == 0 && step.Entry == nil && !step.Planned {
		return errors.New("it says nothing")
	}
	return nil
}
