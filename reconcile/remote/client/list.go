package client

import (
	"context"
	"fmt"
	"io"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// list asks the server what stands in its folder. Only a listing that says
// that it is complete is believed: what is not in it may be removed.
func (c *comparison) list(survey uint64) ([]theirs, error) {
	request := &wire.ListRequest{
		Path: []byte(c.s.Path), Survey: survey, Contents: c.s.Method != tree.ByMetadata, Cached: c.s.Method == tree.ByCache,
	}
	if err := c.l.enter(c.ctx); err != nil {
		return nil, c.l.failed(c.ctx, err)
	}
	defer c.l.leave()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel() // of what follows, nothing is read
	stream, err := c.l.tree.List(ctx, request)
	if err != nil {
		return nil, c.l.failed(c.ctx, err)
	}
	told := listing{room: wire.MaxListing}
	for {
		reply, err := stream.Recv()
		if err == io.EOF {
			return nil, c.l.failed(c.ctx, lies("a listing without an end"))
		}
		if err != nil {
			return nil, c.l.failed(c.ctx, err)
		}
		if len(reply.Entries) == 0 && !reply.Complete {
			return nil, c.l.failed(c.ctx, errSilent)
		}
		for _, m := range reply.Entries {
			if m.Entry == nil {
				return nil, wire.ToError(orSilent(m.Error))
			}
			if err := told.add(m); err != nil {
				return nil, c.l.failed(c.ctx, lies("%v", err))
			}
		}
		if reply.Complete {
			if reply.Count != uint64(len(told.all)) || reply.Bytes < 0 {
				return nil, c.l.failed(c.ctx, lies("%d entries were announced, %d listed", reply.Count, len(told.all)))
			}
			c.count(reply.Bytes)
			return told.all, nil
		}
	}
}

func orSilent(e *wire.Error) *wire.Error {
	if e == nil {
		return &wire.Error{}
	}
	return e
}

// listing is what was told of one folder.
type listing struct {
	all  []theirs
	room int64 // bytes that may still come
}

// add adds what comes next.
func (l *listing) add(m *wire.Listed) error {
	t := theirs{err: wire.ToError(m.Error)}
	var err error
	if t.entry, err = wire.ToEntry(m.Entry); err == nil {
		t.digest, err = wire.ToDigest(m.Digest)
	}
	if err != nil {
		return err
	}
	if t.entry.Name == "" || len(l.all) > 0 && l.all[len(l.all)-1].entry.Name >= t.entry.Name {
		return fmt.Errorf("names are out of order at %q", t.entry.Name)
	}
	if l.room -= int64(wire.ListedSize(t.entry, t.err)); l.room < 0 {
		return fmt.Errorf("a listing goes on after %d entries", len(l.all))
	}
	l.all = append(l.all, t)
	return nil
}
