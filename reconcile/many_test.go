package reconcile

// What there may be very many of takes little memory, and is not looked through for each of them.

import (
	"fmt"
	"testing"
	"unsafe"

	"lockstep/reconcile/tree"
)

// What is met once for each of very many paths looks through few of them: of those
// that are alike, only so many are remembered.
func TestFewOfManyAlikeAreRemembered(t *testing.T) {
	v, s := newVanished(), signature{kind: tree.File, size: 1}
	for i := range 2 * maxAlike {
		v.put(s, tree.Path(fmt.Sprint(i)))
	}
	if n := len(v.paths[s]); n != maxAlike {
		t.Errorf("%d are remembered", n)
	}
	if !v.take(s, "0") || v.take(s, tree.Path(fmt.Sprint(maxAlike))) {
		t.Error("not those that came first")
	}
}

// A burst may make millions of paths dirty.
func TestAPathThatWaitsIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(item{}); size > 128 {
		t.Errorf("it takes %d bytes", size)
	}
}

// What was listed in a folder that another one took the name of is looked at
// again, and nothing else.
func TestHintsAreForgottenBelowARename(t *testing.T) {
	q := newQueue(2)
	if q.add("dirty", dirt{}); q.hinted {
		t.Error("all are looked through though none was listed")
	}
	q = newQueue(2)
	for _, path := range []tree.Path{"new/a", "new/b", "other/a"} {
		q.add(path, dirt{cause: ByPass, hint: &tree.Entry{}})
	}
	running := q.take(t.Context(), 1)[0]
	q.forgetHints("other")
	q.delay(running, 0)
	q.forgetHints("new")
	for path, it := range q.items {
		if it.hint != nil {
			t.Errorf("%s has its hint still", path)
		}
	}
}
