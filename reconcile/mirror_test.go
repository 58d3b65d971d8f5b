package reconcile_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"lockstep/reconcile"
)

// Whatever is done to the source, and however late, often and mixed up dirty
// paths come: when they are worked off, the trees are equal, a pass finds
// nothing, and two passes prove the same number.
func TestEventsInAnyOrderEndInEqualTrees(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir := scratch(t, base)
		defer os.RemoveAll(dir)
		r := newRig(rt, dir, reconcile.Options{})
		defer r.close()
		w := newWorld(rt, r.source, filepath.Join(dir, "outside"))
		r.serve(func(ctx context.Context) {
			r.pass(ctx)
			r.wantEqual("after the first pass")
			var late []string
			for range rapid.IntRange(1, 12).Draw(rt, "operations") {
				late = append(late, w.step()...)
				late = append(late, sampled(rt, late)...)
				if rapid.Bool().Draw(rt, w.label("told now")) {
					late = tell(rt, r, late)
				}
			}
			for len(late) > 0 {
				late = tell(rt, r, late)
			}
			r.idle(ctx)
			r.wantEqual("after events")
			if first, second := r.wantProof(ctx), r.wantProof(ctx); first != second {
				rt.Fatalf("two digests of one tree: %v, %v", first, second)
			}
		})
		r.wantEqual("at the end")
	})
}

// sampled returns a few of paths.
func sampled(t *rapid.T, paths []string) []string {
	if len(paths) == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(paths), 0, 2).Draw(t, "once more")
}

// tell hands some of paths over, in any order, and returns the others.
func tell(t *rapid.T, r *rig, paths []string) []string {
	if len(paths) == 0 {
		return nil
	}
	mixed := rapid.Permutation(paths).Draw(t, "order")
	n := rapid.IntRange(1, len(mixed)).Draw(t, "told")
	r.mirror.Dirty(mixed[:n], reconcile.ByWatch)
	return append([]string(nil), mixed[n:]...)
}
