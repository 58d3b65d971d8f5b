package reconcile_test

// Of what bears an attribute that the replica has no room for, all else is mirrored.

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// narrow is a replica that has no room for an attribute of what lacks names.
type narrow struct {
	tree.Replica
	lacks func(tree.Path) bool
}

func (n *narrow) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	outcomes := n.Replica.Apply(ctx, actions)
	for i, a := range actions {
		if o := &outcomes[i]; o.Err == nil && a.Kind != tree.Remove && n.lacks(a.Path) {
			o.Err = fmt.Errorf("set extended attributes: %w", tree.ErrAttribute)
		}
	}
	return outcomes
}

// What lacks an attribute is there, and so is what is in it; it is told once, and
// neither tried again by itself nor taken for equal.
func TestReplicaWithoutRoomForAttributes(t *testing.T) {
	t.Parallel()
	r := setUp(t, reconcile.Options{})
	n := &narrow{r.dst, func(path tree.Path) bool { return path == "folder" || path == "folder/file" }}
	r.dst = n
	r.renew()
	r.write("folder/file", "content")
	r.serve(func(ctx context.Context) {
		r.dirty(ctx, "folder")
		r.wantEqual("but for the attributes")
		r.write("folder/file", "longer than before", "folder/sub/file", "content")
		r.dirty(ctx, "folder/file", "folder/sub")
		if read(t, r.at("folder/file")) != "longer than before" || read(t, r.at("folder/sub/file")) != "content" {
			t.Error("what is in the folder, or the file, was not brought over")
		}
		must(t, os.WriteFile(r.at("folder/file"), []byte("tampered with"), 0o644))
		report := r.pass(ctx)
		if report.Equal || report.Problems == 0 {
			t.Errorf("%+v", report)
		}
		r.idle(ctx)
		if told := r.log.trouble(); len(told) != 2 || slices.Contains(r.log.solved, "folder/file") {
			t.Errorf("told of %v, and that %q is well", told, r.log.solved)
		}
		r.wantEqual("after a pass")
		n.lacks = func(tree.Path) bool { return false }
		must(t, os.Chmod(r.in("folder/file"), 0o600))
		r.dirty(ctx, "folder/file")
		if !slices.Contains(r.log.solved, "folder/file") {
			t.Errorf("told that %q is well", r.log.solved)
		}
	})
}
