package reconcile_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// linkChanges are changes to a source in which a/1, a/2 and b/3 are one file
// and other is another one. Each returns what a watch tells.
var linkChanges = map[string]func(t *testing.T, r *rig) []string{
	"another name": func(t *testing.T, r *rig) []string {
		must(t, os.Link(r.in("a/2"), r.in("b/4")))
		return []string{"b/4"}
	},
	"first name of a single file": func(t *testing.T, r *rig) []string {
		must(t, os.Link(r.in("other"), r.in("a/other")))
		return []string{"a/other"}
	},
	"leader removed": func(t *testing.T, r *rig) []string {
		must(t, os.Remove(r.in("a/1")))
		return []string{"a/1"}
	},
	"all but one removed": func(t *testing.T, r *rig) []string {
		must(t, os.Remove(r.in("a/1")))
		must(t, os.Remove(r.in("b/3")))
		return []string{"b/3", "a/1"}
	},
	"all removed": func(t *testing.T, r *rig) []string {
		must(t, os.RemoveAll(r.in("a")))
		must(t, os.RemoveAll(r.in("b")))
		return []string{"a/1", "a/2", "a", "b/3", "b"}
	},
	"edited through the first name": func(t *testing.T, r *rig) []string { r.write("a/1", "longer than before"); return []string{"a/1"} },
	"edited through the last name":  func(t *testing.T, r *rig) []string { r.write("b/3", "longer than before"); return []string{"b/3"} },
	"edited, same size":             func(t *testing.T, r *rig) []string { r.write("b/3", "tnetnoc"); return []string{"b/3"} },
	"mode through the last name": func(t *testing.T, r *rig) []string {
		must(t, os.Chmod(r.in("b/3"), 0o600))
		return []string{"b/3"}
	},
	"edited and that name removed": func(t *testing.T, r *rig) []string {
		r.write("b/3", "longer than before")
		must(t, os.Remove(r.in("b/3")))
		return []string{"b/3"}
	},
	"split by a saver": func(t *testing.T, r *rig) []string {
		r.write("a/temp", "new version")
		must(t, os.Rename(r.in("a/temp"), r.in("a/1")))
		return []string{"a/temp", "a/1"}
	},
	"split, content kept": func(t *testing.T, r *rig) []string {
		info, err := os.Stat(r.in("a/2"))
		must(t, err)
		r.write("a/temp", "content")
		must(t, os.Chtimes(r.in("a/temp"), info.ModTime(), info.ModTime()))
		must(t, os.Rename(r.in("a/temp"), r.in("a/2")))
		return []string{"a/2", "a/temp"}
	},
	"two groups merged": func(t *testing.T, r *rig) []string {
		must(t, os.Link(r.in("other"), r.in("twin")))
		must(t, os.Remove(r.in("a/1")))
		must(t, os.Link(r.in("other"), r.in("a/1")))
		return []string{"a/1", "twin"}
	},
	"names swapped between groups": func(t *testing.T, r *rig) []string {
		must(t, os.Rename(r.in("other"), r.in("aside")))
		must(t, os.Rename(r.in("a/1"), r.in("other")))
		must(t, os.Rename(r.in("aside"), r.in("a/1")))
		return []string{"a/1", "other", "aside"}
	},
	"folder with a name renamed": func(t *testing.T, r *rig) []string {
		must(t, os.Rename(r.in("a"), r.in("z")))
		return []string{"a", "z", "z/1", "z/2"}
	},
	"linked from outside": func(t *testing.T, r *rig) []string {
		must(t, os.Link(r.in("other"), filepath.Join(filepath.Dir(r.source), "outside")))
		return []string{"other"}
	},
	"moved in from outside": func(t *testing.T, r *rig) []string {
		outside := filepath.Join(filepath.Dir(r.source), "outside")
		must(t, os.Link(r.in("b/3"), outside))
		must(t, os.Rename(outside, r.in("moved")))
		return []string{"moved"}
	},
}

func linked(t *testing.T) *rig {
	r := setUp(t, reconcile.Options{})
	r.write("a/1", "content", "b/x", "x", "other", "another file", "kept", "")
	must(t, os.Link(r.in("a/1"), r.in("a/2")))
	must(t, os.Link(r.in("a/1"), r.in("b/3")))
	return r
}

// A new name of a file that changed is linked to the new version: to the old one
// it would show what it never was.
//
// Scenarios: L7.
func TestNewNameOfAChangedFile(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	r.write("f", "old")
	r.served(func(ctx context.Context) {
		r.write("f", "newer version")
		must(t, os.Link(r.in("f"), r.in("g")))
		r.dirty(ctx, "g")
		r.did("update f", "link f -> g")
		r.wantEqual("after events")
	})
}

// A name whose first one lags behind gets the new version as a file of its own.
// That is no trouble, and no name of another file changes with it.
//
// Scenarios: L7.
func TestNameOfAFileThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setUp(t, reconcile.Options{})
		r.write("a", "old", "b", "content")
		must(t, os.Link(r.in("b"), r.in("c")))
		must(t, os.Link(r.in("b"), r.in("d")))
		m := moodyReplica(r)
		r.served(func(ctx context.Context) {
			m.set(func(a tree.Action) error {
				if a.Path == "a" {
					return syscall.EPERM
				}
				return nil
			})
			for _, name := range []string{"a", "b"} {
				must(t, os.Remove(r.in(name)))
			}
			r.write("a", "content")
			must(t, os.Link(r.in("a"), r.in("b")))
			r.mirror.Dirty([]string{"b"}, reconcile.ByWatch)
			time.Sleep(firstTries) // on the fake clock
			synctest.Wait()
			for _, name := range []string{"b", "c"} {
				want, err := os.Stat(r.in(name))
				must(t, err)
				have, err := os.Stat(r.at(name))
				must(t, err)
				if !have.ModTime().Equal(want.ModTime()) {
					t.Errorf("%s has the time %v, not %v", name, have.ModTime(), want.ModTime())
				}
			}
			for _, p := range r.log.trouble() {
				if p.Path != "a" {
					t.Errorf("told of %v", p)
				}
			}
			m.set(well)
			r.idle(ctx)
			r.wantEqual("when the first name can be written")
		})
	})
}

// firstTries is how long it takes until what may be a passing hitch is none.
const firstTries = 2 * time.Second

// slowLeader is a replica that does not get on with f until somebody has looked
// at it many times.
type slowLeader struct {
	tree.Replica
	looks atomic.Int64
	many  chan struct{}
}

func (s *slowLeader) Look(ctx context.Context, paths []tree.Path) []tree.Found {
	if slices.Equal(paths, []tree.Path{"f"}) && s.looks.Add(1) == 7 {
		close(s.many)
	}
	return s.Replica.Look(ctx, paths)
}

func (s *slowLeader) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	if actions[0].Path == "f" {
		<-s.many
	}
	return s.Replica.Apply(ctx, actions)
}

// It takes a while until the name that leads is equal: no problem of the others.
func TestNewNameOfAFileThatTakesItsTime(t *testing.T) {
	t.Parallel()
	r := setUp(t, reconcile.Options{})
	slow := &slowLeader{Replica: r.dst, many: make(chan struct{})}
	r.write("f", "old")
	r.once()
	r.dst = slow
	r.renew()
	r.serve(func(ctx context.Context) {
		r.write("f", "newer version")
		must(t, os.Link(r.in("f"), r.in("g")))
		r.dirty(ctx, "g")
		r.wantEqual("after events")
	})
	if len(r.log.problems) > 0 {
		t.Errorf("problems told: %v", r.log.problems)
	}
}

// Scenarios: L7.
func TestHardLinks(t *testing.T) {
	for name, change := range linkChanges {
		t.Run(name+", by events", func(t *testing.T) {
			r := linked(t)
			r.served(func(ctx context.Context) {
				r.wantEqual("at first")
				r.dirty(ctx, change(t, r)...)
				r.wantEqual("after events")
				r.wantProof(ctx)
			})
		})
		t.Run(name+", by events of a fresh mirror", func(t *testing.T) {
			r := linked(t)
			r.once()
			r.renew()
			r.serve(func(ctx context.Context) {
				r.dirty(ctx, change(t, r)...)
				r.pass(ctx)
				r.wantEqual("after events and a pass")
			})
		})
		t.Run(name+", by a pass", func(t *testing.T) {
			r := linked(t)
			r.once()
			change(t, r)
			r.once()
			r.wantEqual("after a pass")
			if report := r.once(); report.Drift != 0 || !report.Equal {
				t.Errorf("second pass: %+v", report)
			}
		})
	}
}

// Names that somebody planted in the replica are parted again, and what they
// lead to keeps what it holds.
//
// Scenarios: R12.
func TestPlantedLinks(t *testing.T) {
	plants := map[string]func(t *testing.T, r *rig, outside string){
		"to another file of the replica": func(t *testing.T, r *rig, _ string) {
			must(t, os.Remove(r.at("b/x")))
			must(t, os.Link(r.at("other"), r.at("b/x")))
		},
		"between two groups": func(t *testing.T, r *rig, _ string) {
			must(t, os.Remove(r.at("a/1")))
			must(t, os.Link(r.at("other"), r.at("a/1")))
		},
		"to the outside": func(t *testing.T, r *rig, outside string) {
			must(t, os.Remove(r.at("other")))
			must(t, os.Link(outside, r.at("other")))
		},
		"from the outside": func(t *testing.T, r *rig, outside string) {
			must(t, os.Remove(outside))
			must(t, os.Link(r.at("other"), outside))
		},
		"from the outside to a group": func(t *testing.T, r *rig, outside string) {
			must(t, os.Remove(outside))
			must(t, os.Link(r.at("a/2"), outside))
		},
		"an additional name": func(t *testing.T, r *rig, _ string) { must(t, os.Link(r.at("a/2"), r.at("a/0"))) },
		"a name moved out": func(t *testing.T, r *rig, outside string) {
			must(t, os.Remove(outside))
			must(t, os.Rename(r.at("b/3"), outside))
		},
		"a name parted": func(t *testing.T, r *rig, _ string) {
			must(t, os.Remove(r.at("a/1")))
			put(t, r.at("a/1"), "content")
		},
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			r := linked(t)
			outside := filepath.Join(filepath.Dir(r.source), "outside")
			put(t, outside, "another file")
			r.once()
			plant(t, r, outside)
			before := read(t, outside)
			if report := r.once(); report.Drift == 0 || !report.Equal {
				t.Errorf("first pass: %+v", report)
			}
			r.wantEqual("after a pass")
			if report := r.once(); report.Drift != 0 || !report.Equal {
				t.Errorf("second pass: %+v", report)
			}
			r.write("other", "edited", "a/1", "edited too")
			r.once()
			r.wantEqual("after an edit")
			if now := read(t, outside); now != before {
				t.Errorf("outside now holds %q", now)
			}
		})
	}
}
