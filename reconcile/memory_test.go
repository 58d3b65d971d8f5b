package reconcile_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// vast is a source of so many folders, each with the same files.
type vast struct {
	tree.Source
	folders, files []tree.Entry
}

func newVast(folders, files int) *vast {
	v := &vast{Source: treetest.NewSource()}
	for i := range folders {
		v.folders = append(v.folders, tree.Entry{Name: fmt.Sprintf("%06d", i), Kind: tree.Folder})
	}
	for i := range files {
		v.files = append(v.files, tree.Entry{Name: fmt.Sprintf("%06d", i), Kind: tree.File, Links: 1})
	}
	return v
}

func (v *vast) Folder(path tree.Path) (tree.SourceFolder, error) {
	if path == tree.Root {
		return vastFolder{entries: v.folders}, nil
	}
	return vastFolder{entries: v.files}, nil
}

type vastFolder struct {
	tree.SourceFolder
	entries []tree.Entry
}

func (f vastFolder) Self() (tree.Entry, error)       { return tree.Entry{Kind: tree.Folder}, nil }
func (f vastFolder) Look(string) (tree.Entry, error) { return f.Self() }
func (f vastFolder) Names([]tree.Entry) ([]tree.Entry, error) {
	return append([]tree.Entry(nil), f.entries...), nil
}
func (f vastFolder) Close() error { return nil }

// weighed is a replica that weighs the heap when so many folders were compared.
type weighed struct {
	twin
	at   [2]int
	live [2]int64

	mu       sync.Mutex // everybody else waits meanwhile
	compared int
}

func (w *weighed) Look(_ context.Context, paths []tree.Path) []tree.Found {
	found := make([]tree.Found, len(paths))
	for i := range found {
		found[i].Entry.Kind = tree.Folder
	}
	return found
}

func (w *weighed) Compare(ctx context.Context, s tree.Subject) (tree.Comparison, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.compared++
	if i := slices.Index(w.at[:], w.compared); i >= 0 {
		w.live[i] = liveHeap()
	}
	return tree.Comparison{Leaves: make([]tree.Digest, len(s.Entries))}, ctx.Err()
}

// liveHeap collects twice: what pools hold goes at the second time.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a pass needs does not grow with the folders that it is done with.
func TestPassMemoryIsFlat(t *testing.T) {
	const folders, files, bound = 2000, 200, 1 << 20
	w := &weighed{at: [2]int{folders / 10, folders}}
	m := reconcile.New(newVast(folders, files), w, reconcile.Options{})
	r, err := m.Once(t.Context())
	if err != nil || r.Files != folders*files {
		t.Fatalf("%+v, %v", r, err)
	}
	if grown := w.live[1] - w.live[0]; grown > bound {
		t.Errorf("%d bytes more after %d folders than after %d, want no more than %d", grown, w.at[1], w.at[0], bound)
	}
}
