package client

import (
	"context"
	"fmt"
	"io"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// lookAtOnce is how many paths go into one request.
const lookAtOnce = 1024

// Look returns what stands at each path.
func (r *Replica) Look(ctx context.Context, paths []tree.Path) []tree.Found {
	found := make([]tree.Found, len(paths))
	request := &wire.LookRequest{}
	var places []int
	size := 0
	ask := func() {
		if len(places) == 0 {
			return
		}
		if err := r.look(ctx, request, places, found); err != nil {
			for _, place := range places {
				found[place] = tree.Found{Err: fmt.Errorf("look: %w", err)}
			}
		}
		request, places, size = &wire.LookRequest{}, nil, 0
	}
	for i, path := range paths {
		if _, err := wire.ToPath([]byte(path)); err != nil {
			found[i].Err = fmt.Errorf("look: %w", err)
			continue
		}
		if len(places) == lookAtOnce || size+len(path) > wire.MaxPiece {
			ask()
		}
		request.Paths = append(request.Paths, []byte(path))
		places = append(places, i)
		size += len(path)
	}
	ask()
	return found
}

// look makes one request; what it is told goes to places of found.
func (r *Replica) look(ctx context.Context, request *wire.LookRequest, places []int, found []tree.Found) error {
	l, err := r.reach()
	if err != nil {
		return err
	}
	if err := l.enter(ctx); err != nil {
		return l.failed(ctx, err)
	}
	defer l.leave()
	stream, err := l.tree.Look(ctx, request)
	if err != nil {
		return l.failed(ctx, err)
	}
	told := 0
	for {
		reply, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return l.failed(ctx, err)
		}
		if len(reply.Found) == 0 {
			return l.failed(ctx, errSilent)
		}
		for _, m := range reply.Found {
			if told == len(places) {
				return l.failed(ctx, lies("%d paths were asked for, more are told of", told))
			}
			f, err := r.toFound(m, tree.Path(request.Paths[told]))
			if err != nil {
				return l.failed(ctx, err)
			}
			found[places[told]] = f
			told++
		}
	}
	if told < len(places) {
		return l.failed(ctx, lies("%d paths were asked for, %d are told of", len(places), told))
	}
	return nil
}

func (r *Replica) toFound(m *wire.Found, path tree.Path) (tree.Found, error) {
	if err := wire.ToError(m.Error); err != nil {
		return tree.Found{Err: err}, nil
	}
	e, err := wire.ToEntry(m.Entry)
	if err != nil {
		return tree.Found{}, lies("%v", err)
	}
	if e.Name != path.Name() && !(r.traits.Names.Folds && tree.FoldName(e.Name) == tree.FoldName(path.Name())) {
		return tree.Found{}, lies("asked for %q, told of %q", path.Name(), e.Name)
	}
	return tree.Found{Entry: e}, nil
}

// Count returns how many entries stand at and below path.
func (r *Replica) Count(ctx context.Context, path tree.Path, limit int) (int, error) {
	l, err := r.reach()
	if err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	if err := l.enter(ctx); err != nil {
		return 0, fmt.Errorf("count: %w", l.failed(ctx, err))
	}
	defer l.leave()
	reply, err := l.tree.Count(ctx, &wire.CountRequest{Path: []byte(path), Limit: int64(limit)})
	if err != nil {
		return 0, fmt.Errorf("count: %w", l.failed(ctx, err))
	}
	if reply.Count < 0 || reply.Count > int64(limit) {
		return 0, fmt.Errorf("count: %w", l.failed(ctx, lies("%d entries", reply.Count)))
	}
	if err := wire.ToError(reply.Error); err != nil {
		return 0, err
	}
	return int(reply.Count), nil
}

// Flush returns when everything applied so far is on the server's disk.
func (r *Replica) Flush(ctx context.Context) error {
	l, err := r.reach()
	if err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := l.enter(ctx); err != nil {
		return fmt.Errorf("flush: %w", l.failed(ctx, err))
	}
	defer l.leave()
	reply, err := l.tree.Flush(ctx, &wire.FlushRequest{})
	if err != nil {
		return fmt.Errorf("flush: %w", l.failed(ctx, err))
	}
	return wire.ToError(reply.Error)
}
