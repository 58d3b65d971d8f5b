package reconcile

import (
	"slices"
	"testing"

	"lockstep/reconcile/tree"
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
