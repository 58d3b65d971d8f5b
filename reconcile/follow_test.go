package reconcile

import (
	"context"
	"slices"
	"testing"

	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// folderSet is what a worker wants the times of put back.
func folderSet(paths ...tree.Path) map[tree.Path]*pass {
	set := map[tree.Path]*pass{}
	for _, path := range paths {
		set[path] = nil
	}
	return set
}

// TestTurnsOfAFolder: who comes during a turn shares the next one, which begins
// when that is over; a folder that nobody works in waits for none.
func TestTurnsOfAFolder(t *testing.T) {
	f := following{last: map[tree.Path]*turn{}}
	first, _ := f.join(folderSet("a"))
	f.begin(first)
	second, turns := f.join(folderSet("a", "b"))
	if turns["a"] != second || turns["b"] != second || !slices.Equal(second.after, []*turn{first}) {
		t.Errorf("the second turn: %+v after %v", turns, second.after)
	}
	third, turns := f.join(folderSet("a", "c"))
	if turns["a"] != second || turns["c"] != third || len(third.after) > 0 {
		t.Errorf("the third turn: %+v after %v", turns, third.after)
	}
	f.begin(third)
	f.end(third, nil)

	begun := make(chan struct{})
	go func() { // ends when the first turn does
		f.begin(second)
		close(begun)
	}()
	select {
	case <-begun:
		t.Error("two turns of one folder at once")
	default:
	}
	f.end(first, []tree.Path{"a"})
	<-begun
	if fourth, turns := f.join(folderSet("b")); turns["b"] != fourth || !slices.Equal(fourth.after, []*turn{second}) {
		t.Errorf("a turn was joined that looks already: %+v", turns)
	}
	f.end(second, nil)
	if len(f.last) != 1 || !slices.Equal(first.amiss, []tree.Path{"a"}) {
		t.Errorf("what is left: %+v; what went wrong: %v", f.last, first.amiss)
	}
}

// busySource is a replica while which is written something happens in the source.
type busySource struct {
	tree.Replica
	happens func()
}

func (busySource) Traits() tree.Traits { return tree.Full() }

func (b busySource) Apply(_ context.Context, actions []tree.Action) []tree.Outcome {
	b.happens()
	return make([]tree.Outcome, len(actions))
}

// TestPutBackOfAnOldTime: what a folder's own turn brought over meanwhile is newer
// than what was put back. While somebody works below the folder it has no turn.
func TestPutBackOfAnOldTime(t *testing.T) {
	source := treetest.NewSource()
	source.AddFolder("a")
	source.AddFolder("b")
	change := func() {
		source.Change("a", func(e *tree.Entry, _ *string) { e.ModTime.Sec++ })
	}
	m := New(source, busySource{happens: change}, Options{})
	if amiss := m.putBack(t.Context(), []tree.Path{"a", "b"}); !slices.Equal(amiss, []tree.Path{"a"}) {
		t.Errorf("to be looked at again: %q", amiss)
	}
	m.queue.add("a/file", dirt{})
	m.queue.take(t.Context(), 1)
	if amiss := m.putBack(t.Context(), []tree.Path{"a", "b"}); len(amiss) > 0 {
		t.Errorf("to be looked at again by two: %q", amiss)
	}
}
