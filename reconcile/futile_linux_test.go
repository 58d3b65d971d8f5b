package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// futile are changes to a source with a file f and a folder p/x with a file in
// it, after which the replica can do nothing at one path. Each returns what a
// watch tells.
var futile = map[string]struct {
	at     tree.Path
	change func(t *testing.T, r *rig) []string
}{
	"another name in a folder that cannot be made": {"p/new", func(t *testing.T, r *rig) []string {
		must(t, os.MkdirAll(r.in("p/new/deep"), 0o755))
		must(t, os.Link(r.in("f"), r.in("p/new/deep/name")))
		return []string{"p/new", "p/new/deep", "p/new/deep/name"}
	}},
	"another name that cannot be linked": {"p/name", func(t *testing.T, r *rig) []string {
		must(t, os.Link(r.in("f"), r.in("p/name")))
		return []string{"p/name"}
	}},
	"a file that cannot take the place of a folder": {"p/x", func(t *testing.T, r *rig) []string {
		must(t, os.RemoveAll(r.in("p/x")))
		r.write("p/x", "a file now")
		return []string{"p/x"}
	}},
}

// What cannot be done is tried less and less often, though what it is about
// brings it up again: its other names, or the folder that it is in.
func TestFutileTriesGetRare(t *testing.T) {
	const (
		while = 15 * time.Second // of the bubble
		most  = 100              // a dozen for each of some paths
	)
	for name, c := range futile {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := setUp(t, reconcile.Options{})
				r.write("f", "content", "p/x/file", "content")
				m := moodyReplica(r)
				r.served(func(ctx context.Context) {
					var tries atomic.Int64
					m.set(func(a tree.Action) error {
						if a.Path != tree.Root && tries.Add(1) > most { // without an end, the clock of the bubble stands still
							return nil
						}
						if a.Path == c.at {
							return syscall.EPERM
						}
						return nil
					})
					r.mirror.Dirty(c.change(t, r), reconcile.ByWatch)
					time.Sleep(while) // on the fake clock
					if n := tries.Load(); n > most {
						t.Errorf("more than %d actions in %v", most, while)
					}
					m.set(well)
					r.idle(ctx)
					r.wantEqual("when it can be done")
				})
			})
		})
	}
}

// What is to be in a folder that cannot be made is tried too, and leaves the
// folder its pauses.
func TestFutileFolderKeepsItsPauses(t *testing.T) {
	const (
		while = 15 * time.Second // of the bubble
		most  = 6                // with pauses that double
	)
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		m := moodyReplica(r)
		r.served(func(ctx context.Context) {
			var tries atomic.Int64
			m.set(func(a tree.Action) error {
				if a.Path == "new" && a.Kind == tree.Create {
					tries.Add(1)
					return syscall.EPERM
				}
				return nil
			})
			dirty := []string{"new"}
			for i := range 50 {
				dirty = append(dirty, fmt.Sprint("new/", i))
				r.write(dirty[len(dirty)-1], "content")
			}
			for _, path := range dirty { // each has pauses of its own
				r.mirror.Dirty([]string{path}, reconcile.ByWatch)
				time.Sleep(time.Millisecond) // on the fake clock
			}
			time.Sleep(while) // on the fake clock
			if n := tries.Load(); n > most {
				t.Errorf("the folder was tried %d times in %v", n, while)
			}
			m.set(well)
			r.idle(ctx)
			r.wantEqual("when it can be made")
		})
	})
}
