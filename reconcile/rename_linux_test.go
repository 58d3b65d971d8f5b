package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// did fails unless exactly this was done since it was last asked, but for
// times of folders.
func (r *rig) did(want ...string) {
	r.Helper()
	slices.Sort(want)
	if got := r.log.acts(); !slices.Equal(got, want) {
		r.Errorf("did %q, want %q", got, want)
	}
}

// served runs body beside the workers after a first pass.
func (r *rig) served(body func(context.Context)) {
	r.Helper()
	r.serve(func(ctx context.Context) {
		r.pass(ctx)
		r.log.acts()
		body(ctx)
	})
}

var renames = map[string]struct {
	from, to string
	dirty    []string // as a watch tells it: what appeared is listed
}{
	"file":                   {"folder/file", "folder/renamed", []string{"folder/file", "folder/renamed"}},
	"file to another folder": {"folder/file", "file", []string{"file", "folder/file"}},
	"folder":                 {"folder", "renamed", []string{"folder", "renamed", "renamed/file", "renamed/sub", "renamed/sub/file"}},
	"folder, new name first": {"folder", "renamed", []string{"renamed/sub/file", "renamed/sub", "renamed/file", "renamed", "folder"}},
	"folder into another":    {"folder", "other/deep", []string{"folder", "other/deep", "other/deep/file", "other/deep/sub", "other/deep/sub/file"}},
}

func renamed(from, to string) string {
	return "rename " + from + " -> " + to
}

func filled(t *testing.T) *rig {
	r := setUp(t, reconcile.Options{Patience: 200 * time.Millisecond})
	r.write("folder/file", "one", "folder/sub/file", "two", "other/file", "three")
	return r
}

func TestRenames(t *testing.T) {
	for name, c := range renames {
		t.Run(name+" by events", func(t *testing.T) {
			t.Parallel()
			r := filled(t)
			r.served(func(ctx context.Context) {
				must(t, os.Rename(r.in(c.from), r.in(c.to)))
				r.dirty(ctx, c.dirty...)
				r.did(renamed(c.from, c.to))
				r.wantEqual("after a rename")
				r.wantProof(ctx)
			})
		})
		t.Run(name+" by a pass", func(t *testing.T) {
			t.Parallel()
			r := filled(t)
			r.served(func(ctx context.Context) {
				must(t, os.Rename(r.in(c.from), r.in(c.to)))
				// Between folders the pass may meet the new name first, and copy.
				if report := r.pass(ctx); report.Drift == 0 || !report.Equal {
					t.Errorf("report %+v", report)
				}
				if path.Dir(c.from) == path.Dir(c.to) {
					r.did("metadata "+strings.TrimPrefix(path.Dir(c.from), "."), renamed(c.from, c.to))
				}
				r.wantEqual("after a rename")
				r.wantProof(ctx)
			})
		})
	}
}

// Folders that one tick of the clock made have the same signature as the
// folders around them.
func TestFoldersOfOneTickAreTold(t *testing.T) {
	for _, how := range []string{"events", "pass"} {
		t.Run("by "+how, func(t *testing.T) {
			t.Parallel()
			r := setUp(t, reconcile.Options{Patience: 200 * time.Millisecond})
			r.write("kept", "kept", "a/sub/deep/1", "one", "a/sub/x", "1", "b/sub/2", "two", "c/3", "three")
			must(t, os.MkdirAll(r.in("d/empty"), 0o755))
			stamp := time.Unix(1e9, 5)
			for _, folder := range []string{"a/sub/deep", "a/sub", "a", "b/sub", "b", "c", "d/empty", "d"} {
				must(t, os.Chtimes(r.in(folder), stamp, stamp))
			}
			r.served(func(ctx context.Context) {
				for _, name := range []string{"a", "b", "c", "d"} {
					must(t, os.Rename(r.in(name), r.in("new-"+name)))
				}
				want := []string{renamed("a", "new-a"), renamed("b", "new-b"), renamed("c", "new-c"), renamed("d", "new-d")}
				if how == "events" {
					r.dirty(ctx, "d", "new-a/sub/deep", "new-a/sub", "new-b/sub", "new-d/empty", "new-a", "new-b", "new-c", "new-d", "c", "b", "a")
				} else {
					r.pass(ctx)
					want = append(want, "metadata ")
				}
				r.did(want...)
				r.wantEqual("after renames")
				r.wantProof(ctx)
			})
		})
	}
}

func TestFolderRenamedAndChangedAtOnce(t *testing.T) {
	changes := map[string]func(r *rig) []string{
		"rewritten, same size": func(r *rig) []string {
			r.write("renamed/file", "eno")
			return nil
		},
		"file added": func(r *rig) []string { r.write("renamed/sub/new", "new"); return []string{"renamed/sub/new"} },
		"file removed": func(r *rig) []string {
			must(r, os.Remove(r.in("renamed/sub/file")))
			return []string{"renamed/sub/file"}
		},
		"folder removed": func(r *rig) []string {
			must(r, os.RemoveAll(r.in("renamed/sub")))
			return []string{"renamed/sub", "renamed/sub/file"}
		},
		"old name taken by a file":   func(r *rig) []string { r.write("folder", "file"); return nil },
		"old name taken by a folder": func(r *rig) []string { r.write("folder/file", "another"); return []string{"folder/file"} },
		"renamed on": func(r *rig) []string {
			must(r, os.Rename(r.in("renamed"), r.in("on")))
			return []string{"on", "on/file", "on/sub", "on/sub/file"}
		},
	}
	for name, change := range changes {
		for _, told := range []string{"at once", "later"} {
			t.Run(name+", told "+told, func(t *testing.T) {
				t.Parallel()
				r := filled(t)
				r.served(func(ctx context.Context) {
					must(t, os.Rename(r.in("folder"), r.in("renamed")))
					first := []string{"folder", "renamed", "renamed/file", "renamed/sub", "renamed/sub/file"}
					then := change(r)
					if told == "at once" {
						r.dirty(ctx, append(first, then...)...)
					} else {
						r.dirty(ctx, first...)
						r.dirty(ctx, then...)
					}
					r.wantEqual("after both")
					r.wantProof(ctx)
				})
			})
		}
	}
}

// A folder that is renamed again while what came along is still looked at is
// not copied.
func TestFolderRenamedToAndFro(t *testing.T) {
	r := setUp(t, reconcile.Options{Patience: 200 * time.Millisecond})
	var inside []string
	for i := range 400 {
		sub := fmt.Sprintf("/sub-%d", i%4)
		if i < 4 {
			inside = append(inside, sub)
		}
		inside = append(inside, fmt.Sprintf("%s/file-%d", sub, i))
		r.write("a"+inside[len(inside)-1], fmt.Sprint(i))
	}
	r.served(func(ctx context.Context) {
		from, to := "a", "b"
		var want []string
		for range 12 {
			must(t, os.Rename(r.in(from), r.in(to)))
			dirty := []string{from, to}
			for _, path := range inside {
				dirty = append(dirty, to+path)
			}
			r.mirror.Dirty(dirty, reconcile.ByWatch)
			r.log.await(t, "the rename", func() bool { return exists(r.at(to)) && !exists(r.at(from)) })
			want = append(want, renamed(from, to))
			from, to = to, from
		}
		r.idle(ctx)
		r.did(want...)
		r.wantEqual("after renames to and fro")
		r.wantProof(ctx)
	})
}

// What is known of the new name may be older than what is known of the old one.
func TestNewNameIsLookedAtTooEarly(t *testing.T) {
	r := filled(t)
	r.served(func(ctx context.Context) {
		must(t, os.Rename(r.in("folder"), r.in("renamed")))
		r.mirror.Dirty([]string{"renamed"}, reconcile.ByWatch)
		r.mirror.Dirty([]string{"folder"}, reconcile.ByWatch)
		r.idle(ctx)
		r.did(renamed("folder", "renamed"))
		r.wantEqual("after a rename")
	})
}

// Files that no signature tells apart may be taken for one another: what
// follows the guess compares.
func TestTwinsAreComparedAfterARename(t *testing.T) {
	for _, how := range []string{"events", "pass"} {
		t.Run("by "+how, func(t *testing.T) {
			r := setUp(t, reconcile.Options{Patience: 200 * time.Millisecond})
			r.write("a", "content A", "b", "content B", "c", "content C", "f/a", "content D")
			stamp := time.Unix(1e9, 5)
			for _, name := range []string{"a", "b", "c", "f/a"} {
				must(t, os.Chtimes(r.in(name), stamp, stamp))
			}
			r.served(func(ctx context.Context) {
				must(t, os.Rename(r.in("a"), r.in("x")))
				must(t, os.Rename(r.in("b"), r.in("y")))
				must(t, os.Rename(r.in("f/a"), r.in("f/z")))
				must(t, os.Remove(r.in("c")))
				if how == "events" {
					r.dirty(ctx, "y", "x", "f/z", "c", "b", "a", "f/a")
				} else {
					r.pass(ctx)
				}
				r.wantEqual("after renames of twins")
				r.wantProof(ctx)
			})
		})
	}
}

func TestChainOfRenames(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	r.write("a/f", "1", "b/f", "2", "c/f", "3")
	r.served(func(ctx context.Context) {
		// a -> b -> c -> a, in a ring
		for _, step := range [][2]string{{"c", "aside"}, {"b", "c"}, {"a", "b"}, {"aside", "a"}} {
			must(t, os.Rename(r.in(step[0]), r.in(step[1])))
		}
		r.dirty(ctx, "b", "b/f", "aside", "a", "a/f", "c", "c/f")
		r.wantEqual("after a ring of renames")
		r.wantProof(ctx)
	})
}

// restless is a file that changes when it is read for the first time: for each
// time, whether it was to be published all the same.
type restless []bool

func (f *restless) read(a tree.Action) error {
	if *f = append(*f, a.Unsettled); len(*f) == 1 {
		return fmt.Errorf("copy: %w", tree.ErrChanged)
	}
	return nil
}

// wantTwo fails unless it was read again until it rested.
func (f restless) wantTwo(t *testing.T) {
	t.Helper()
	if want := (restless{false, false}); !slices.Equal(f, want) {
		t.Errorf("copied unsettled: %v, not %v", f, want)
	}
}

// What changes while its name does is read again until it rests, as any other
// file is: it is neither told to be in trouble nor copied as it is at once.
func TestRenamedFileThatDoesNotRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		r.write("file", "content")
		m := moodyReplica(r)
		r.served(func(ctx context.Context) {
			var reads restless
			m.set(func(a tree.Action) error {
				switch a.Kind {
				case tree.Rename:
					r.write("new name", "newer content")
				case tree.Update:
					return reads.read(a)
				}
				return nil
			})
			must(t, os.Rename(r.in("file"), r.in("new name")))
			r.dirty(ctx, "file", "new name")
			reads.wantTwo(t)
			if told := r.log.trouble(); len(told) > 0 {
				t.Errorf("told of %v", told)
			}
			r.wantEqual("when it rests")
		})
	})
}
