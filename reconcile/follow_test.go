package reconcile

import (
	"context"
	"slices"
	"testing"
	"time"

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

// TestAPassWaitsForTheTimesOfAFolder: whoever else changes something in it.
func TestAPassWaitsForTheTimesOfAFolder(t *testing.T) {
	source := treetest.NewSource()
	source.AddFolder("a")
	m := New(source, busySource{happens: func() {
		source.Change("a", func(e *tree.Entry, _ *string) { e.ModTime.Sec++ })
	}}, Options{})
	for _, second := range []bool{false, true} {
		p := newPass(m, AtStart)
		b := &batch{m: m, parents: map[tree.Path]*pass{}}
		for i := range 2 {
			it := &item{path: "a/file"}
			if second == (i == 1) {
				it.pass = p
			}
			b.touch(&look{item: it})
		}
		if b.follow(t.Context()); p.open != 1 {
			t.Errorf("the pass waits for %d paths", p.open)
		}
	}
}

// TestOldTroubleIsOver: what is looked at again after it was settled has a new
// start, and no pass waits for it.
func TestOldTroubleIsOver(t *testing.T) {
	m := New(treetest.NewSource(), busySource{}, Options{})
	defer m.queue.close()
	m.queue.add("a", dirt{pass: newPass(m, AtStart)})
	it := m.queue.take(t.Context(), 1)[0]
	it.attempt, it.since = lateAttempts, time.Now()
	m.tell(it, verdict{result: failed})
	if it.pass != nil {
		t.Error("a pass that was answered waits still")
	}
	b := &batch{m: m, ended: []ended{{it: it, after: time.Hour}}}
	b.finish(t.Context())
	if it.attempt > 0 || !it.since.IsZero() {
		t.Errorf("%d attempts since %v are counted still", it.attempt, it.since)
	}
}
