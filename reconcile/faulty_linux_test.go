package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// changed fills a mirrored source, then changes it in every way, and returns
// what a watch tells of that.
func changed(t *testing.T, r *rig) []string {
	t.Helper()
	r.write("kept", "kept", "same", "size A", "folder/file", "content", "folder/sub/file", "content", "flip", "file", "gone/file", "content")
	must(t, os.Link(r.in("folder/file"), r.in("name")))
	r.once()
	r.wantEqual("at first")
	r.write("same", "size B", "new/file", "new", "folder/sub/new", "new")
	must(t, os.RemoveAll(r.in("gone")))
	must(t, os.Remove(r.in("flip")))
	r.write("flip/file", "now in a folder")
	must(t, os.Chmod(r.in("folder"), 0o700))
	must(t, os.Rename(r.in("folder"), r.in("renamed")))
	return []string{
		"same", "new", "new/file", "renamed/sub/new", "gone/file", "gone", "flip", "flip/file", "folder",
		"renamed", "renamed/file", "renamed/sub", "renamed/sub/file",
	}
}

// failures are what a replica may answer.
var failures = map[string]error{
	"conflict":    tree.ErrConflict,
	"no parent":   tree.ErrNoParent,
	"changed":     tree.ErrChanged,
	"no space":    fmt.Errorf("write: %w", syscall.ENOSPC),
	"unreachable": tree.ErrUnreachable,
}

// stride is how many calls are left out between those that fail in a test: the
// failures begin at different ones, and together they leave few out.
const stride = 17

// Whichever call goes wrong, in a pass or for events: a pass ends, nothing is
// removed that the source has, and what is undone is done by the next pass.
func TestAnyCallFails(t *testing.T) {
	first := 0
	for _, events := range []bool{false, true} {
		for name, failure := range failures {
			first++
			t.Run(fmt.Sprintf("%s, by events %v", name, events), func(t *testing.T) {
				for n := first; failOnce(t, n, failure, events) >= n; n += stride {
				}
			})
		}
	}
}

// failOnce has the n-th call fail, and returns how many calls there were.
func failOnce(t *testing.T, n int, failure error, events bool) int {
	t.Helper()
	r := newRig(t, t.TempDir(), reconcile.Options{Patience: time.Millisecond})
	defer r.close()
	dirty := changed(t, r)
	faulty := treetest.FailAt(r.dst, n, failure)
	r.dst = faulty
	r.renew()
	r.serve(func(ctx context.Context) {
		if events {
			r.mirror.Dirty(dirty, reconcile.ByWatch)
		}
		// The second one is for what the failure left undone, the third for
		// a failure in the second.
		for range 3 {
			if _, err := r.mirror.Pass(ctx, reconcile.OnRequest); err != nil && !errors.Is(err, failure) {
				t.Fatalf("call %d: pass: %v", n, err)
			}
			if !exists(r.at("kept")) || !exists(r.at("same")) {
				t.Fatalf("call %d: removed what the source has", n)
			}
		}
	})
	if differ := unequal(t, r.source, r.replica); differ != "" {
		t.Fatalf("call %d failed, and the trees differ:\n%s", n, differ)
	}
	return faulty.Calls()
}

// moody is a replica that answers as it is told to for a while.
type moody struct {
	tree.Replica
	mu   sync.Mutex
	mood func(tree.Action) error
}

// moodyReplica gives r a replica that is well for now.
func moodyReplica(r *rig) *moody {
	m := &moody{Replica: r.dst, mood: well}
	r.dst = m
	r.renew()
	return m
}

func (m *moody) set(mood func(tree.Action) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mood = mood
}

// Check answers as an action at the root would be.
func (m *moody) Check() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.mood(tree.Action{}); err != nil {
		return err
	}
	return m.Replica.Check()
}

func (m *moody) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	m.mu.Lock()
	mood := m.mood
	m.mu.Unlock()
	var out []tree.Outcome
	for _, a := range actions {
		if err := mood(a); err != nil {
			out = append(out, tree.Outcome{Err: err})
			continue
		}
		out = append(out, m.Replica.Apply(ctx, []tree.Action{a})...)
	}
	return out
}

func well(tree.Action) error { return nil }

// A full disk is the trouble of those who do not fit. It is told once for
// each path, and passes end.
func TestNoSpaceForSome(t *testing.T) {
	t.Parallel()
	r := setUp(t, reconcile.Options{})
	m := moodyReplica(r)
	r.write("big", "does not fit", "small", "fits", "gone", "")
	r.serve(func(ctx context.Context) {
		r.pass(ctx)
		m.set(func(a tree.Action) error {
			if a.Path == "big" && a.Kind != tree.Remove {
				return fmt.Errorf("write: %w", syscall.ENOSPC)
			}
			return nil
		})
		r.write("big", "does not fit any more", "small", "fits as before")
		must(t, os.Remove(r.in("gone")))
		report := r.pass(ctx)
		if report.Problems != 1 || report.Equal || !report.Digest.IsZero() {
			t.Errorf("report %+v", report)
		}
		if read(t, r.at("big")) != "does not fit" || read(t, r.at("small")) != "fits as before" || exists(r.at("gone")) {
			t.Error("one that does not fit has changed, or the rest has not")
		}
		r.pass(ctx)
		if len(r.log.problems) != 1 || r.log.problems[0].Path != "big" || !errors.Is(r.log.problems[0].Err, syscall.ENOSPC) {
			t.Errorf("problems told: %v", r.log.problems)
		}
		m.set(well)
		r.idle(ctx) // it is tried again by itself
		r.wantEqual("when there is room")
		if !slices.Equal(r.log.solved, []tree.Path{"big"}) || !r.pass(ctx).Equal {
			t.Errorf("solved %q", r.log.solved)
		}
	})
}

// While the replica is out of reach nothing is lost, and nothing is said of
// single paths.
func TestUnreachableForAWhile(t *testing.T) {
	t.Parallel()
	r := setUp(t, reconcile.Options{})
	m := moodyReplica(r)
	r.write("file", "content", "gone", "content")
	r.serve(func(ctx context.Context) {
		r.pass(ctx)
		m.set(func(tree.Action) error { return tree.ErrUnreachable })
		r.write("file", "changed", "new/file", "new")
		must(t, os.Remove(r.in("gone")))
		r.mirror.Dirty([]string{"file", "new", "new/file", "gone"}, reconcile.ByWatch)
		if report, err := r.mirror.Pass(ctx, reconcile.AtInterval); err == nil || report.Equal {
			t.Errorf("report %+v, error %v", report, err)
		}
		m.set(well)
		r.idle(ctx)
		r.wantEqual("when it is back")
		for _, p := range r.log.problems {
			if p.Path != tree.Root {
				t.Errorf("told of %v", p)
			}
		}
	})
}

// One absence is one problem, whatever each attempt to get there says, and
// however many passes fail.
func TestAnAbsenceIsToldOnce(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int64
	for name, ill := range map[string]func(tree.Action) error{
		"unreachable": func(tree.Action) error { return fmt.Errorf("%w: attempt %d", tree.ErrUnreachable, attempts.Add(1)) },
		"replaced":    func(tree.Action) error { return tree.ErrReplicaReplaced },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setUp(t, reconcile.Options{})
			m := moodyReplica(r)
			r.write("file", "content")
			r.serve(func(ctx context.Context) {
				r.pass(ctx)
				m.set(ill)
				r.write("file", "changed")
				r.mirror.Dirty([]string{"file"}, reconcile.ByWatch)
				for range 3 {
					if _, err := r.mirror.Pass(ctx, reconcile.AtInterval); err == nil {
						t.Error("a pass went well")
					}
				}
				m.set(well)
				r.idle(ctx)
				r.pass(ctx)
			})
			if len(r.log.problems) != 1 || len(r.log.solved) != 1 {
				t.Errorf("told of %v, solved %q", r.log.problems, r.log.solved)
			}
		})
	}
}

// A server that gives up what was asked of it has not ended this side.
func TestCancelledBySomebodyElse(t *testing.T) {
	t.Parallel()
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		t.Run(err.Error(), func(t *testing.T) {
			t.Parallel()
			r := setUp(t, reconcile.Options{})
			m := moodyReplica(r)
			r.served(func(ctx context.Context) {
				var calls atomic.Int64
				m.set(func(a tree.Action) error {
					if a.Path == "file" && calls.Add(1) <= 3 {
						return fmt.Errorf("stage: %w", err)
					}
					return nil
				})
				r.write("file", "content")
				r.dirty(ctx, "file")
				r.wantEqual("when it is answered again")
			})
		})
	}
}

// The times of a folder are part of what a path is settled with: a pass must
// not end before them.
func TestOnceWaitsForTimesOfFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slowly = time.Hour // of the bubble: it is over when all else has come to rest
		r := setUp(t, reconcile.Options{})
		r.write("folder/file", "content")
		var follows atomic.Int64
		r.dst = &moody{Replica: r.dst, mood: func(a tree.Action) error {
			if a.Follows {
				time.Sleep(slowly) // on the fake clock
				follows.Add(1)
			}
			return nil
		}}
		begun := time.Now()
		r.once()
		if took := time.Since(begun); took < slowly || follows.Load() == 0 {
			t.Errorf("the pass took %v, and times of %d folders were put back", took, follows.Load())
		}
		r.wantEqual("after one pass")
	})
}

// A rename changes two folders. The new name has its next turn, which may be the
// last thing to be done, when the times of both are right.
func TestRenameEndsWithTheTimesOfBothFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slowly = 5 * time.Second // of the bubble: all else comes to rest meanwhile
		r := setUp(t, reconcile.Options{})
		r.write("from/file", "content", "to/other", "content")
		m := moodyReplica(r)
		r.served(func(ctx context.Context) {
			var mu sync.Mutex
			var order []string
			m.set(func(a tree.Action) error {
				if a.Path == "slow" {
					time.Sleep(slowly) // on the fake clock
				}
				if a.Path == "from" || a.Path == "to/file" {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, fmt.Sprintf("%v %s", a.Kind, a.Path))
				}
				return nil
			})
			must(t, os.Rename(r.in("from/file"), r.in("to/file")))
			r.write("slow", "content")
			r.dirty(ctx, "from/file", "to/file", "slow")
			if want := []string{"rename to/file", "metadata from", "update to/file"}; !slices.Equal(order, want) {
				t.Errorf("in this order: %q, not %q", order, want)
			}
			r.wantEqual("after a rename")
		})
	})
}

// A file that gets shorter whenever it is read keeps no pass waiting for ever.
//
// Scenarios: C4.
func TestPassEndsThoughAFileNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		r.write("file", "content", "other", "content")
		m := moodyReplica(r)
		m.set(func(a tree.Action) error {
			if a.Path == "file" {
				return fmt.Errorf("copy: %w", tree.ErrChanged)
			}
			return nil
		})
		r.serve(func(ctx context.Context) {
			if report := r.pass(ctx); report.Problems != 1 || report.Equal || !exists(r.at("other")) {
				t.Errorf("report %+v", report)
			}
			if told := r.log.trouble(); len(told) != 1 || told[0].Path != "file" {
				t.Errorf("problems told: %v", told)
			}
			m.set(well)
			r.idle(ctx)
			r.wantEqual("when it rests")
			if !slices.Equal(r.log.solved, []tree.Path{"file"}) {
				t.Errorf("solved %q", r.log.solved)
			}
		})
	})
}

// What is in trouble is no trouble any more when it goes with the folder that it
// is in, of which alone a watch tells.
func TestTroubleGoesWithItsFolder(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, r *rig) []string{
		"removed": func(t *testing.T, r *rig) []string {
			must(t, os.RemoveAll(r.in("folder")))
			return []string{"folder"}
		},
		"renamed": func(t *testing.T, r *rig) []string {
			must(t, os.Rename(r.in("folder"), r.in("other")))
			return []string{"folder", "other", "other/file", "other/good"}
		},
		"replaced": func(t *testing.T, r *rig) []string {
			must(t, os.RemoveAll(r.in("folder")))
			r.write("folder", "a file now")
			return []string{"folder"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := setUp(t, reconcile.Options{})
				m := moodyReplica(r)
				r.write("folder/good", "content")
				r.served(func(ctx context.Context) {
					m.set(func(a tree.Action) error {
						if a.Path == "folder/file" {
							return syscall.EPERM
						}
						return nil
					})
					r.write("folder/file", "content")
					r.mirror.Dirty([]string{"folder/file"}, reconcile.ByWatch)
					synctest.Wait()
					if n := r.mirror.Status().Problems; n != 1 {
						t.Fatalf("%d problems at first", n)
					}
					r.dirty(ctx, change(t, r)...)
					if n := r.mirror.Status().Problems; n != 0 || !slices.Equal(r.log.solved, []tree.Path{"folder/file"}) {
						t.Errorf("%d problems are left, solved %q", n, r.log.solved)
					}
					r.wantEqual("in the end")
				})
			})
		})
	}
}

// What was in trouble for long, and changes when it is read at last, is read again
// as any other file is: nobody knows yet that it never rests.
//
// Scenarios: C4.
func TestTroubleSaysNothingOfRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		r.write("file", "content")
		m := moodyReplica(r)
		r.served(func(ctx context.Context) {
			var reads restless
			mended := time.Now().Add(5 * time.Second)
			m.set(func(a tree.Action) error {
				switch {
				case a.Kind != tree.Update:
				case time.Now().Before(mended):
					return fmt.Errorf("copy: %w", syscall.EIO)
				default:
					return reads.read(a)
				}
				return nil
			})
			r.write("file", "newer content")
			r.dirty(ctx, "file")
			reads.wantTwo(t)
		})
	})
}
