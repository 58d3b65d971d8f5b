package client

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// applyAtOnce is how many actions go into one call, and cancelWithin how long
// a call that is cancelled waits for the server to clear up.
const (
	applyAtOnce  = 2048
	cancelWithin = 2 * time.Second
)

// Apply carries out actions. Contents are offered by the names of their
// chunks, several contents ahead of the answers; what the server has not got
// is sent.
func (r *Replica) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	n := together(actions)
	if n == len(actions) {
		return r.apply(ctx, actions)
	}
	outcomes := make([]tree.Outcome, 0, len(actions))
	for ; len(actions) > 0; n = together(actions) {
		outcomes = append(outcomes, r.apply(ctx, actions[:n])...)
		actions = actions[n:]
	}
	return outcomes
}

// together returns how many of actions go into one call.
func together(actions []tree.Action) (n int) {
	size := 0
	for n < min(len(actions), applyAtOnce) {
		if size += wire.ActionSize(actions[n]); n > 0 && size > wire.MaxBatch {
			break
		}
		n++
	}
	return n
}

// sending is one call of Apply on the wire.
type sending struct {
	r        *Replica
	l        *link
	ctx      context.Context
	stream   grpc.BidiStreamingClient[wire.ApplyRequest, wire.ApplyReply]
	actions  []tree.Action
	outcomes []tree.Outcome // what is known here; the server's are put into it

	// Used by the goroutine that sends.
	*messages
	told     int   // of steps, for the next message
	covered  int64 // bytes of content that those tell of
	cut      cutting
	emit     func(chunk.Piece) error // of cut
	room     room
	queue    []offered
	queued   int64           // bytes in queue
	packet   mem.BufferSlice // what is needed of it
	gathered int             // bytes in packet
	loose    []byte          // the bytes of a packet in one piece
	skip     int             // packets that are not worth packing
	skipNext int

	// Guarded by mu.
	mu       sync.Mutex
	changed  *sync.Cond
	answers  []bool   // for the chunks that were offered, in their order
	offers   int      // chunks that were offered and not answered
	became   []became // of the actions, as the server told it
	received error    // why nothing more is received; io.EOF at the end
}

// became is what the server told of an action.
type became struct {
	plain bool // as [wire.IsPlain] says; else how it went
	how   *tree.Outcome
}

func (r *Replica) apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	s := &sending{r: r, ctx: ctx, actions: actions, outcomes: make([]tree.Outcome, len(actions)), room: room{blocks: freeBlocks}}
	s.messages = r.spare.Get().(*messages)
	defer s.giveBack()
	s.changed, s.emit = sync.NewCond(&s.mu), s.cut.take
	s.became = make([]became, 0, len(actions))
	err := ctx.Err()
	var l *link
	if err == nil {
		l, err = r.reach()
	}
	if err == nil {
		if err = s.run(l); err != nil {
			err = l.failed(ctx, err)
		}
	}
	for i := range s.outcomes {
		s.settle(i, err)
	}
	return s.outcomes
}

// giveBack leaves no digest of this call to be made in the next one.
func (s *sending) giveBack() {
	s.short.Flush()
	s.r.spare.Put(s.messages)
}

// run makes the call. The stream outlives ctx for as long as the server needs
// to clear up.
func (s *sending) run(l *link) error {
	if slices.ContainsFunc(s.actions, isLarge) {
		if err := l.join(s.ctx, l.large); err != nil {
			return err
		}
		defer func() { <-l.large }()
	}
	if err := l.enter(s.ctx); err != nil {
		return err
	}
	defer l.leave()
	s.l = l
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	defer cancel()
	stop := context.AfterFunc(s.ctx, func() {
		s.wake()
		timer := time.NewTimer(cancelWithin)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	})
	defer stop()
	var err error
	if s.stream, err = l.tree.Apply(ctx); err != nil {
		return err
	}
	var receiver sync.WaitGroup
	receiver.Go(s.receive)
	err = s.send()
	if err != nil && err != io.EOF { // io.EOF: the server ended the call; receive knows why
		cancel()
	}
	receiver.Wait()
	if err != nil && err != io.EOF {
		return err
	}
	if s.received != io.EOF {
		return s.received
	}
	if len(s.became) != len(s.actions) {
		return lies("%d outcomes of %d actions", len(s.became), len(s.actions))
	}
	return nil
}

func isLarge(a tree.Action) bool { return wire.Carries(a) && a.Want.Size >= largeContent }

func (s *sending) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// settle makes the final outcome of action i. What went wrong on this side is
// the better cause, for the server only heard of it; unless the server did not
// get as far as that.
func (s *sending) settle(i int, failed error) {
	o, a := &s.outcomes[i], &s.actions[i]
	mine := *o
	if i < len(s.became) {
		if b := s.became[i]; b.plain {
			*o = wire.Plain(mine.Entry.Size)
		} else {
			*o = *b.how
		}
	}
	switch {
	case mine.Err != nil && (o.Err == nil || wire.CodeOf(o.Err) == wire.CodeOf(mine.Err)):
		*o = tree.Outcome{Err: fmt.Errorf("%v: %w", a.Kind, mine.Err)}
		return
	case failed != nil:
		*o = tree.Outcome{Err: fmt.Errorf("%v: %w", a.Kind, failed)}
		return
	case !o.Done():
		if o.Bytes = 0; o.Removed == 0 {
			o.Did = tree.None
		}
	}
	switch {
	case wire.Carries(*a):
		if o.Entry = mine.Entry; a.Hash {
			o.Digest = mine.Digest
		}
	case a.Kind != tree.Remove:
		o.Entry = a.Want
	}
}

// receive takes answers and outcomes.
func (s *sending) receive() {
	for {
		reply, err := s.stream.Recv()
		s.mu.Lock()
		if err == nil {
			err = s.take(reply)
		}
		if err != nil {
			s.received = err
		}
		s.changed.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take reads one reply. The caller holds mu.
func (s *sending) take(reply *wire.ApplyReply) error {
	if reply.Answered+reply.Plain == 0 && len(reply.Outcomes) == 0 {
		return errSilent
	}
	n := int(reply.Answered)
	if n > s.offers || len(reply.Need) != (n+7)/8 {
		return lies("%d chunks were offered, %d answered", s.offers, n)
	}
	for i := range n {
		s.answers = append(s.answers, reply.Need[i/8]&(1<<(i%8)) != 0)
	}
	s.offers -= n
	for _, m := range reply.Outcomes {
		if err := s.takePlain(m.GetPlain()); err != nil {
			return err
		}
		o, err := wire.ToOutcome(m)
		if err != nil {
			return lies("%v", err)
		}
		if len(s.became) == len(s.actions) {
			return lies("more outcomes than actions")
		}
		s.became = append(s.became, became{how: &o})
	}
	return s.takePlain(reply.Plain)
}

// takePlain takes so many plain outcomes. The caller holds mu.
func (s *sending) takePlain(n uint32) error {
	if uint64(n) > uint64(len(s.actions)-len(s.became)) {
		return lies("more outcomes than actions")
	}
	for range n {
		if a := s.actions[len(s.became)]; !wire.Carries(a) || a.Over == tree.File {
			return lies("a %v became a new file", a.Kind)
		}
		s.became = append(s.became, became{plain: true})
	}
	return nil
}

// send sends the actions, and then their contents one after the other.
func (s *sending) send() error {
	defer s.room.free()
	if err := s.sendActions(); err != nil {
		return err
	}
	for i := range s.actions {
		if !wire.Carries(s.actions[i]) || s.outcomes[i].Err != nil {
			continue
		}
		if s.ctx.Err() != nil {
			break
		}
		if err := s.content(i); err != nil {
			return err
		}
	}
	if err := s.flushSteps(); err != nil {
		return err
	}
	if err := s.ctx.Err(); err != nil {
		if err := s.stream.Send(&wire.ApplyRequest{Cancel: true}); err != nil {
			return err
		}
		return s.stream.CloseSend()
	}
	if err := s.pump(0); err != nil {
		return err
	}
	return s.stream.CloseSend()
}

// sendActions sends what is to be done. What no server would take is not
// done, and does not keep the others from being done.
func (s *sending) sendActions() error {
	request, size := &wire.ApplyRequest{}, 0
	for i := range s.actions {
		a := s.actions[i]
		if err := wire.CheckAction(a); err != nil {
			s.outcomes[i].Err = err
			a = tree.Action{Kind: tree.None}
		}
		length := wire.ActionSize(a)
		if size+length > wire.MaxPiece && len(request.Actions) > 0 {
			if err := s.stream.Send(request); err != nil {
				return err
			}
			request.Actions, size = request.Actions[:0], 0
		}
		m := s.action(len(request.Actions))
		wire.PutAction(&m.Action, &m.want, a)
		request.Actions = append(request.Actions, &m.Action)
		size += length
	}
	request.Begin = true
	return s.stream.Send(request)
}
