package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lockstep/reconcile"
)

func limit(t *testing.T, text string) reconcile.Limit {
	t.Helper()
	l, err := reconcile.ParseLimit(text)
	must(t, err)
	return l
}

func wantHeld(t *testing.T, r *rig, want ...reconcile.HoldReason) {
	t.Helper()
	if got := r.log.reasons(); !slices.Equal(got, want) {
		t.Errorf("held for %q, want %q", got, want)
	}
}

// manyFiles fills a source with ten files in a folder, and one beside it.
func manyFiles(t *testing.T, o reconcile.Options) *rig {
	r := setUp(t, o)
	r.write("kept", "kept")
	for i := range 10 {
		r.write(fmt.Sprint("many/", i), "content")
	}
	return r
}

// Scenarios: G3.
func TestSourceEmptyAtFirst(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	put(t, r.at("file"), "of an earlier life")
	report := r.once()
	if !exists(r.at("file")) || report.Equal || report.Held != 1 {
		t.Errorf("report %+v", report)
	}
	wantHeld(t, r, reconcile.SourceEmpty)

	r.options.AllowEmptySource = true
	if report = r.once(); exists(r.at("file")) || !report.Equal || report.Removed != 1 {
		t.Errorf("allowed: report %+v", report)
	}
	wantHeld(t, r)
}

func TestBothEmpty(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	if report := r.once(); !report.Equal {
		t.Errorf("report %+v", report)
	}
	wantHeld(t, r)
}

// Scenarios: G4.
func TestSourceEmptiedWhileWatched(t *testing.T) {
	for _, told := range []string{"every path", "every path, then a pass", "an overflow", "one path", "the root alone", "nothing"} {
		t.Run(told, func(t *testing.T) {
			r := manyFiles(t, reconcile.Options{})
			r.served(func(ctx context.Context) {
				for _, name := range []string{"kept", "many"} {
					must(t, os.RemoveAll(r.in(name)))
				}
				switch told {
				case "every path":
					r.dirty(ctx, "kept", "many")
				case "every path, then a pass":
					r.mirror.Dirty([]string{"kept", "many"}, reconcile.ByWatch)
					r.pass(ctx)
				case "an overflow":
					r.mirror.RequestPass(reconcile.OnOverflow)
					r.pass(ctx)
				default:
					switch told {
					case "one path":
						r.dirty(ctx, "kept")
					case "the root alone":
						r.dirty(ctx, "")
					}
					r.pass(ctx)
					wantHeld(t, r, reconcile.SourceEmpty)
					if !exists(r.at("many/3")) {
						t.Error("removed what nobody saw being removed")
					}
					r.write("new", "new")
					report := r.pass(ctx)
					if len(r.log.released) != 1 || !report.Equal {
						t.Errorf("no longer empty: released %v, report %+v", r.log.released, report)
					}
				}
				r.wantEqual("in the end")
			})
		})
	}
}

func TestSourceMissingAndBack(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, r *rig) func(){
		"moved": func(t *testing.T, r *rig) func() {
			must(t, os.Rename(r.source, r.source+".away"))
			return func() { must(t, os.Rename(r.source+".away", r.source)) }
		},
		"replaced by a folder": func(t *testing.T, r *rig) func() {
			must(t, os.Rename(r.source, r.source+".away"))
			must(t, os.Mkdir(r.source, 0o755))
			return func() {
				must(t, os.RemoveAll(r.source))
				must(t, os.Rename(r.source+".away", r.source))
			}
		},
		"replaced by a file": func(t *testing.T, r *rig) func() {
			must(t, os.Rename(r.source, r.source+".away"))
			put(t, r.source, "file")
			return func() {
				must(t, os.Remove(r.source))
				must(t, os.Rename(r.source+".away", r.source))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := manyFiles(t, reconcile.Options{})
			r.served(func(ctx context.Context) {
				full := snapshot(t, r.replica)
				back := away(t, r)
				r.mirror.Dirty([]string{"", "kept", "many", "many/3"}, reconcile.ByWatch)
				_, _ = r.mirror.Pass(ctx, reconcile.AtInterval) // may fail: the source is missing
				r.log.await(t, "a hold", func() bool { return len(r.log.held) > 0 })
				if differ := differences(full, snapshot(t, r.replica)); name != "replaced by a folder" && len(differ) > 0 {
					t.Errorf("the replica changed: %q", differ)
				} else if !exists(r.at("many/3")) || !exists(r.at("kept")) {
					t.Error("removed without a source")
				}
				back()
				must(t, os.Remove(r.in("many/3")))
				report := r.pass(ctx)
				r.idle(ctx)
				if len(r.log.released) == 0 || !report.Equal {
					t.Errorf("back: released %v, report %+v", r.log.released, report)
				}
				r.wantEqual("when it is back")
			})
		})
	}
}

func TestCopiesGoOnInAReplacedSource(t *testing.T) {
	r := manyFiles(t, reconcile.Options{})
	r.served(func(ctx context.Context) {
		must(t, os.Rename(r.source, r.source+".away"))
		r.write("new", "new")
		r.pass(ctx)
		wantHeld(t, r, reconcile.SourceReplaced)
		if read(t, r.at("new")) != "new" || !exists(r.at("kept")) {
			t.Error("copies do not go on, or removals do")
		}
	})
}

// Scenarios: G5, G11.
func TestMaxDelete(t *testing.T) {
	for _, c := range []struct {
		limit  string
		remove []string
		ok     bool
	}{
		{"3", []string{"many/1", "many/2", "many/3"}, true},
		{"3", []string{"many/1", "many/2", "many/3", "many/4"}, false},
		{"10", []string{"many"}, false}, // the folder counts
		{"11", []string{"many"}, true},
		{"0", []string{"kept"}, false},
		{"25%", []string{"many/1", "many/2", "many/3"}, true}, // of twelve or thirteen
		{"22%", []string{"many/1", "many/2", "many/3"}, false},
		{"100%", []string{"many"}, true},
	} {
		for _, how := range []string{"pass", "events"} {
			t.Run(fmt.Sprintf("%s allows %v %d by %s", c.limit, c.ok, len(c.remove), how), func(t *testing.T) {
				r := manyFiles(t, reconcile.Options{MaxDelete: limit(t, c.limit)})
				r.served(func(ctx context.Context) {
					for _, name := range c.remove {
						must(t, os.RemoveAll(r.in(name)))
					}
					r.write("new", "copies go on")
					if how == "pass" {
						r.pass(ctx)
					} else {
						r.dirty(ctx, append(c.remove, "new")...)
					}
					left := 0
					for _, name := range c.remove {
						if exists(r.at(name)) {
							left++
						}
					}
					if c.ok != (left == 0) || how == "pass" && !c.ok && left != len(c.remove) {
						t.Errorf("%d of %d are left", left, len(c.remove))
					}
					if read(t, r.at("new")) != "copies go on" {
						t.Error("copies do not go on")
					}
					if c.ok {
						wantHeld(t, r)
						return
					}
					wantHeld(t, r, reconcile.TooManyRemovals)
					// What was removed comes back: nothing is left to hold.
					for _, name := range c.remove {
						if name != "many" {
							r.write(name, "back")
						}
					}
					if c.remove[0] != "many" {
						report := r.pass(ctx)
						r.wantEqual("after all came back")
						if len(r.log.released) != 1 || !report.Equal {
							t.Errorf("released %v, report %+v", r.log.released, report)
						}
					}
				})
			})
		}
	}
}

// A folder that becomes a file takes with it what it held.
func TestMaxDeleteCountsTypeFlips(t *testing.T) {
	for _, how := range []string{"pass", "events"} {
		t.Run(how, func(t *testing.T) {
			r := manyFiles(t, reconcile.Options{MaxDelete: limit(t, "5")})
			r.served(func(ctx context.Context) {
				must(t, os.RemoveAll(r.in("many")))
				r.write("many", "a file now")
				if how == "pass" {
					if report := r.pass(ctx); report.Equal || report.Held == 0 {
						t.Errorf("report %+v", report)
					}
					r.pass(ctx)
				} else {
					r.dirty(ctx, "many")
				}
				wantHeld(t, r, reconcile.TooManyRemovals)
				if len(r.log.released) != 0 || len(r.mirror.Status().Held) != 1 {
					t.Errorf("released %v while it is held", r.log.released)
				}
				if !exists(r.at("many/7")) {
					t.Error("removed more than allowed")
				}
			})
		})
	}
}

// What a poll found missing is held against what is in the source now, not
// against what was there when a pass came by.
//
// Scenarios: G1, E20.
func TestGuardListsTheRootForPolls(t *testing.T) {
	t.Run("empty at first", func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		r.served(func(ctx context.Context) {
			r.write("a", "content", "b", "content")
			r.dirty(ctx, "a", "b")
			must(t, os.Remove(r.in("a")))
			r.mirror.Dirty([]string{"a"}, reconcile.ByPoll)
			r.idle(ctx)
			r.wantEqual("after the poll")
			if len(r.log.held) > 0 {
				t.Errorf("held %v", r.log.held)
			}
		})
	})
	t.Run("empty now", func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		r.write("a", "content", "b", "content")
		r.served(func(ctx context.Context) {
			must(t, os.Remove(r.in("a")))
			must(t, os.Remove(r.in("b")))
			r.mirror.Dirty([]string{"a", "b"}, reconcile.ByPoll)
			r.idle(ctx)
			if !exists(r.at("a")) || !exists(r.at("b")) {
				t.Error("removed")
			}
			if len(r.log.held) != 1 || r.log.held[0].Reason != reconcile.SourceEmpty {
				t.Errorf("held %v", r.log.held)
			}
		})
	})
}

// What was held while a pass was past it is looked at again when the hold is over.
//
// Scenarios: G5.
func TestHeldDuringAPassThatReleases(t *testing.T) {
	r := setUp(t, reconcile.Options{MaxDelete: limit(t, "2"), Interval: time.Hour})
	r.write("folder/file", "content", "a", "a", "b", "b", "c", "c", "d", "d")
	r.once()
	names := []string{"a", "b", "c", "d"}
	src := &overtaken{Source: r.src, at: "folder", n: 1, happen: func() {
		r.removing(t, names...)()
		r.mirror.Dirty(names, reconcile.ByWatch)
		if err := r.mirror.Idle(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	r.log = newRecorder()
	o := r.options
	o.Observer = r.log
	r.mirror = reconcile.New(src, r.dst, o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.mirror.Run(ctx) }()
	r.log.await(t, "the second pass", func() bool { return len(r.log.done) == 2 })
	cancel()
	must(t, <-ended)
	r.wantEqual("when nothing is held any more")
	wantHeld(t, r, reconcile.TooManyRemovals)
}

// While removals are held nothing loses its name in the replica to what looks like
// it either: a locked folder has other names for files of the same size and time.
//
// Scenarios: G10, G1.
func TestNothingIsRenamedWhileRemovalsAreHeld(t *testing.T) {
	names := []string{"a", "b", "c"}
	for name, c := range map[string]struct {
		reason reconcile.HoldReason
		change func(t *testing.T, r *rig)
	}{
		"strange": {reconcile.SourceStrange, func(t *testing.T, r *rig) {
			for _, name := range names {
				must(t, os.Rename(r.in(name), r.in("locked "+name)))
			}
		}},
		"replaced": {reconcile.SourceReplaced, func(t *testing.T, r *rig) {
			must(t, os.Rename(r.source, r.source+".away"))
			must(t, os.Mkdir(r.source, 0o755))
			for _, name := range names {
				must(t, os.Rename(filepath.Join(r.source+".away", name), r.in("locked "+name)))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := setUp(t, reconcile.Options{})
			for _, name := range names {
				r.write(name, "content of "+name)
			}
			r.served(func(ctx context.Context) {
				c.change(t, r)
				r.pass(ctx)
				wantHeld(t, r, c.reason)
				for _, name := range names {
					if !exists(r.at(name)) || !exists(r.at("locked "+name)) {
						t.Errorf("%q lost its name, or the new one was not brought over", name)
					}
				}
			})
		})
	}
}
