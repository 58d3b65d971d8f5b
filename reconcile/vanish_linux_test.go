package reconcile_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// overtaken is a source in which something happens just before a folder is
// opened for the n-th time.
type overtaken struct {
	tree.Source
	at     tree.Path
	n      int64
	happen func()
	opened atomic.Int64
}

func (s *overtaken) Folder(path tree.Path) (tree.SourceFolder, error) {
	if path == s.at && s.opened.Add(1) == s.n {
		s.happen()
	}
	return s.Source.Folder(path)
}

// removing returns what removes names from the source, whoever calls it.
func (r *rig) removing(t *testing.T, names ...string) func() {
	return func() {
		for _, name := range names {
			if err := os.RemoveAll(r.in(name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// A folder that goes after it was listed and before it is compared is not taken
// for equal.
//
// Scenarios: S6, E24.
func TestFolderThatGoesBeforeItIsCompared(t *testing.T) {
	start := func(t *testing.T) (*rig, *reconcile.Mirror) {
		r := setUp(t, reconcile.Options{})
		r.write("kept", "kept", "folder/file", "content", "folder/sub/file", "content")
		r.once()
		src := &overtaken{Source: r.src, at: "folder", n: 1, happen: r.removing(t, "folder")}
		return r, reconcile.New(src, r.dst, r.options)
	}
	t.Run("once", func(t *testing.T) {
		r, m := start(t)
		report, err := m.Once(context.Background())
		must(t, err)
		if !report.Equal || report.Removed != 4 || report.Drift != 1 {
			t.Errorf("report %+v", report)
		}
		r.wantEqual("after the pass")
	})
	t.Run("verify", func(t *testing.T) {
		_, m := start(t)
		var told []tree.Path
		report, err := m.Compare(context.Background(), func(path tree.Path, d tree.Drift) {
			if d.Want.Kind != tree.Absent || d.Have.Kind != tree.Folder || d.Name() != "folder" {
				t.Errorf("told of %+v", d)
			}
			told = append(told, path)
		})
		must(t, err)
		if report.Equal || len(told) != 1 || told[0] != "folder" {
			t.Errorf("told of %q, report %+v", told, report)
		}
	})
}

// A folder that goes after it was compared, while something is brought over from
// it, is gone from the replica when the pass ends.
func TestFolderThatGoesWhileItIsBroughtOver(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	r.write("kept", "kept", "folder/file", "content")
	r.once()
	r.write("folder/new", "new")
	src := &overtaken{Source: r.src, at: "folder", n: 2, happen: r.removing(t, "folder")}
	report, err := reconcile.New(src, r.dst, r.options).Once(context.Background())
	must(t, err)
	if !report.Equal || report.Removed != 2 {
		t.Errorf("report %+v", report)
	}
	r.wantEqual("after the pass")
}
