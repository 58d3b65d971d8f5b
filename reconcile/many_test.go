package reconcile

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"lockstep/reconcile/tree"
)

// What is met once for each of very many paths does not look through all that
// there are: where that takes a second at most, it would take a minute.
func TestVeryManyPaths(t *testing.T) {
	const many, enough = 100_000, 10 * time.Second
	path := func(i int) tree.Path { return tree.Path(fmt.Sprintf("folder/%d", i)) }
	for name, meet := range map[string]func(){
		"alike, and all gone": func() {
			v, s := newVanished(), signature{kind: tree.File, size: 1}
			for i := range many {
				v.put(s, path(i))
			}
			for i := range many {
				v.candidates(s, "name")
				v.take(s, path(i))
			}
		},
		"dirty, and folders renamed": func() {
			q := newQueue(2)
			for i := range many {
				q.add(path(i), dirt{})
			}
			for range many / 4 {
				q.forgetHints("other")
			}
		},
		"names of linked files, and folders renamed": func() {
			l := newLinks()
			for i := range many {
				l.see(path(i), linkedFile(uint64(i), 2))
			}
			for i := range many / 5 {
				l.renamed("other", tree.Path(fmt.Sprintf("new%d", i)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			meet()
			if took := time.Since(began); took > enough {
				t.Errorf("took %v", took)
			}
		})
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
