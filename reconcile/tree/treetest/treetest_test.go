package treetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// counting is a replica that only counts actions.
type counting struct {
	tree.Replica
	applied []tree.Path
}

func (c *counting) Apply(_ context.Context, actions []tree.Action) []tree.Outcome {
	for _, a := range actions {
		c.applied = append(c.applied, a.Path)
	}
	return make([]tree.Outcome, len(actions))
}

func (c *counting) Check() error { return nil }

func TestFailAt(t *testing.T) {
	broken := errors.New("broken")
	for n := range 7 {
		c := &counting{}
		f := FailAt(c, n, broken)
		var failed []int
		for i, path := range []tree.Path{"a", "b", "c"} {
			out := f.Apply(context.Background(), []tree.Action{{Path: path}, {Path: path + path}})
			for j := range out {
				if errors.Is(out[j].Err, broken) {
					failed = append(failed, 2*i+j+1)
				}
			}
		}
		if n == 0 && (len(failed) > 0 || len(c.applied) != 6) || n > 0 && (len(failed) != 1 || failed[0] != n || len(c.applied) != 5) {
			t.Errorf("at %d: failed %v, applied %v", n, failed, c.applied)
		}
		if f.Check() != nil || f.Calls() != 7 {
			t.Errorf("at %d: %d calls", n, f.Calls())
		}
	}
}

func TestSource(t *testing.T) {
	s := NewSource()
	s.AddFolder("a")
	s.File("a/b", strings.Repeat("\x00", 5000)+"x")
	s.Link("a/b", "c")
	if e := s.Entry("c"); e.Links != 2 || e.Size != 5001 || e.Name != "c" {
		t.Errorf("linked %+v", e)
	}
	content, err := s.Opener("a/b")()
	if err != nil {
		t.Fatal(err)
	}
	if start, end, err := content.Data(0); start != 4096 || end != 5001 || err != nil {
		t.Errorf("data from %d to %d, %v", start, end, err)
	}
	if _, _, err := content.Data(5001); err != io.EOF {
		t.Errorf("data at the end: %v", err)
	}
	if err := content.Changed(); err != nil {
		t.Error(err)
	}
	s.Change("c", func(_ *tree.Entry, content *string) { *content = "y" })
	if err := content.Changed(); !errors.Is(err, tree.ErrChanged) {
		t.Errorf("changed through another name: %v", err)
	}
	s.Remove("a")
	if e := s.Entry("a/b"); e.Kind != tree.Absent {
		t.Errorf("removed %+v", e)
	}
	if e := s.Entry("c"); e.Links != 1 {
		t.Errorf("the other name %+v", e)
	}
}
