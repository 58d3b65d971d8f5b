package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lockstep/reconcile"
)

// checkWorlds checks a property of a rig whose source is w.
func checkWorlds(t *testing.T, property func(rt *rapid.T, r *rig, w *world)) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir := scratch(t, base)
		defer os.RemoveAll(dir)
		r := newRig(rt, dir, reconcile.Options{})
		defer r.close()
		property(rt, r, newWorld(rt, r.source, filepath.Join(dir, "outside")))
	})
}

// Whatever is done to the source, and however late, often and mixed up dirty
// paths come: when they are worked off, the trees are equal, a pass finds
// nothing, and two passes prove the same number.
func TestEventsInAnyOrderEndInEqualTrees(t *testing.T) {
	checkWorlds(t, func(rt *rapid.T, r *rig, w *world) {
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

// Dirty paths may be lost on the way. A pass repairs what that left.
func TestAPassRepairsWhatEventsMissed(t *testing.T) {
	checkWorlds(t, func(rt *rapid.T, r *rig, w *world) {
		r.serve(func(ctx context.Context) {
			r.pass(ctx)
			for range rapid.IntRange(1, 12).Draw(rt, "operations") {
				dirty := w.step()
				if rapid.Bool().Draw(rt, w.label("told")) {
					tell(rt, r, dirty)
				}
			}
			// The pass meets events that are still being worked off.
			r.pass(ctx)
			r.idle(ctx)
			r.wantEqual("after a pass")
			r.wantProof(ctx)
		})
	})
}

// Whoever tampers with the replica, one pass makes it equal again, and what
// lies outside of it is not touched.
//
// Scenarios: R2, R3, R10.
func TestAPassRepairsATamperedReplica(t *testing.T) {
	checkWorlds(t, func(rt *rapid.T, r *rig, _ *world) {
		dir := filepath.Dir(r.source)
		r.once()
		trap := filepath.Join(dir, "trap")
		for _, name := range names {
			put(rt, filepath.Join(trap, name), "outside")
			put(rt, filepath.Join(trap, "folder", name), "outside")
		}
		tamperer := &world{T: rt, root: r.replica, outside: filepath.Join(dir, "tampered"), count: 1000}
		must(rt, os.MkdirAll(tamperer.outside, 0o755))
		for range rapid.IntRange(1, 8).Draw(rt, "tamperings") {
			if rapid.Bool().Draw(rt, tamperer.label("trap")) {
				tamperer.setTrap(trap)
			} else {
				tamperer.step()
			}
		}
		untouched := snapshot(rt, trap)
		source := snapshot(rt, r.source)

		first := r.once()
		r.wantEqual("after a pass over a tampered replica")
		second := r.once()
		if second.Drift != 0 || !first.Equal || first.Digest != second.Digest {
			rt.Fatalf("first %+v\nsecond %+v", first, second)
		}
		if differ := differences(source, snapshot(rt, r.source)); len(differ) > 0 {
			rt.Fatalf("the source was touched: %q", differ)
		}
		// Only the number of names may change: planted ones are gone.
		for path, was := range untouched {
			now := snapshot(rt, trap)[path]
			if was, _, _ = strings.Cut(was, " names"); !strings.HasPrefix(now, was) {
				rt.Fatalf("outside, %q was touched:\nwas %s\nis  %s", path, was, now)
			}
		}
	})
}

// setTrap plants a way out of the tree.
func (w *world) setTrap(trap string) {
	w.count++
	switch rapid.SampledFrom([]string{"link to a folder", "link to a file", "hard link"}).Draw(w.T, w.label("trap")) {
	case "link to a folder":
		if path := w.pick("folder", isFolder); path != "" {
			w.must(os.Rename(w.on(path), filepath.Join(w.outside, fmt.Sprint(w.count))))
			w.must(os.Symlink(filepath.Join(trap, "folder"), w.on(path)))
		}
	case "link to a file":
		if path := w.pick("file", isFile); path != "" {
			w.must(os.Remove(w.on(path)))
			w.must(os.Symlink(filepath.Join(trap, names[0]), w.on(path)))
		}
	case "hard link":
		path := w.pick("file", isFile)
		if path == "" {
			return
		}
		info, err := os.Stat(w.on(path))
		w.must(err)
		w.must(os.Remove(w.on(path)))
		planted := filepath.Join(trap, rapid.SampledFrom(names).Draw(w.T, w.label("planted")))
		w.must(os.Link(planted, w.on(path)))
		if rapid.Bool().Draw(w.T, w.label("alike")) { // down to the last attribute but the content
			w.must(os.Chmod(planted, info.Mode().Perm()))
			w.must(os.Chtimes(planted, time.Time{}, info.ModTime()))
		}
	}
}
