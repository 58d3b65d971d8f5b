package reconcile_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// overtaken is a source in which something happens just before a folder is
// opened for the first time.
type overtaken struct {
	tree.Source
	at     tree.Path
	happen func()
	once   sync.Once
}

func (s *overtaken) Folder(path tree.Path) (tree.SourceFolder, error) {
	if path == s.at {
		s.once.Do(s.happen)
	}
	return s.Source.Folder(path)
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
		src := &overtaken{Source: r.src, at: "folder", happen: func() { must(t, os.RemoveAll(r.in("folder"))) }}
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
