package remote_test

// That a server has no room for an attribute is told to the client.

import (
	"context"
	"fmt"
	"testing"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/tree"
)

// narrow is a replica that has no room for an attribute of anything.
type narrow struct{ tree.Replica }

func (n narrow) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	outcomes := n.Replica.Apply(ctx, actions)
	for i := range outcomes {
		outcomes[i].Err = fmt.Errorf("set extended attributes: %w", tree.ErrAttribute)
	}
	return outcomes
}

// TestLackOfAnAttributeCrosses: the client hears what was done all the same.
func TestLackOfAnAttributeCrosses(t *testing.T) {
	p := newPlace(t, t.TempDir())
	p.folder.Replica = narrow{p.folder.Replica}
	r := p.open(client.Options{})
	action := tree.Action{Kind: tree.Create, Path: "folder", Want: tree.Entry{Kind: tree.Folder, Mode: 0o755}}
	o := r.Apply(t.Context(), []tree.Action{action})[0]
	if !o.Done() || o.Err == nil || o.Did != tree.Create {
		t.Errorf("%+v", o)
	}
}
