package reconcile_test

import (
	"context"
	"os"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// latecomer is a replica that has something done to the source while a pass
// compares: once the folder before is compared, and as long as the folder at is.
type latecomer struct {
	tree.Replica
	before, at tree.Path
	compared   chan struct{} // before is
	meddle     func()
}

func (m *latecomer) Compare(ctx context.Context, s tree.Subject) (tree.Comparison, error) {
	if s.Path == m.at && m.meddle != nil {
		<-m.compared
		m.meddle()
		m.meddle = nil
	}
	c, err := m.Replica.Compare(ctx, s)
	if s.Path == m.before && m.meddle != nil {
		close(m.compared)
	}
	return c, err
}

// twoFiles has a/deep/f and z/f, which are one file, and x/1, x/2 and x/3,
// which are another one.
func twoFiles(t *testing.T) *rig {
	r := setUp(t, reconcile.Options{})
	r.write("a/deep/f", "content", "x/1", "another file", "x/2", "")
	must(t, os.Link(r.in("a/deep/f"), r.in("z")))
	must(t, os.MkdirAll(r.in("c"), 0o755))
	must(t, os.Rename(r.in("z"), r.in("c/z")))
	must(t, os.Remove(r.in("x/2")))
	must(t, os.Link(r.in("x/1"), r.in("x/2")))
	must(t, os.Link(r.in("x/1"), r.in("x/3")))
	return r
}

// losses write a file by one of its names, which then is none of it any more.
// Each returns what a watch tells.
var losses = map[string]func(t *testing.T, r *rig) []string{
	"removed": func(t *testing.T, r *rig) []string {
		must(t, os.Remove(r.in("a/deep/f")))
		return []string{"a/deep/f"}
	},
	"another file's": func(t *testing.T, r *rig) []string {
		must(t, os.Rename(r.in("x/3"), r.in("a/deep/f")))
		return []string{"x/3", "a/deep/f"}
	},
	"a single file's": func(t *testing.T, r *rig) []string {
		r.write("single", "the only name")
		must(t, os.Rename(r.in("single"), r.in("a/deep/f")))
		return []string{"single", "a/deep/f"}
	},
}

// What was written by a name that is gone is found under another one, though a
// pass came before the event and has seen that the name is gone.
//
// Scenarios: L7.
func TestWrittenByANameThatAPassMissed(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			r := twoFiles(t)
			m := &latecomer{Replica: r.dst, before: "c", at: "a"}
			r.dst = m
			r.renew()
			r.served(func(ctx context.Context) {
				m.compared = make(chan struct{})
				var dirty []string
				m.meddle = func() {
					r.write("a/deep/f", "written by the other name")
					dirty = lose(t, r)
				}
				r.pass(ctx)
				r.dirty(ctx, dirty...)
				r.wantEqual("after the events")
			})
		})
	}
}

// The same when a search for other names came before.
//
// Scenarios: L7.
func TestWrittenByANameThatASearchMissed(t *testing.T) {
	r := twoFiles(t)
	r.served(func(ctx context.Context) {
		r.write("a/deep/f", "written by the other name")
		must(t, os.Rename(r.in("x/3"), r.in("a/deep/f")))
		must(t, os.Link(r.in("x/1"), r.in("new")))
		must(t, os.Link(r.in("x/1"), r.in("c/newer")))
		r.dirty(ctx, "new") // there is one more, which is searched for
		r.dirty(ctx, "x/3", "a/deep/f", "c/newer")
		r.wantEqual("after the events")
	})
}

// A name that was lost and seems to have come back with its folder is not
// counted when it is asked whether all names are known.
//
// Scenarios: L7.
func TestNewNameBesideAStaleOne(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	r.write("d/1", "content", "d/other", "another file")
	must(t, os.Link(r.in("d/1"), r.in("z")))
	r.served(func(ctx context.Context) {
		must(t, os.Remove(r.in("d/1")))
		r.dirty(ctx, "d/1")
		must(t, os.Rename(r.in("d"), r.in("e")))
		r.dirty(ctx, "d", "e", "e/other")
		must(t, os.Link(r.in("z"), r.in("m")))
		r.dirty(ctx, "m")
		r.wantEqual("after the events")
	})
}
