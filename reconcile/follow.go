package reconcile

import (
	"context"
	"hash/maphash"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"lockstep/reconcile/tree"
)

// following keeps two workers from putting back the time of one folder at
// once: of two in one folder, the last to look must have the last word. One
// lock serves many folders.
type following struct {
	seed  maphash.Seed
	locks [64]sync.Mutex
}

// lock locks for all of folders, in an order that is the same for everybody,
// and returns what unlocks.
func (f *following) lock(folders map[tree.Path]*pass) (unlock func()) {
	var mine uint64
	for path := range folders {
		mine |= 1 << (maphash.String(f.seed, string(path)) % uint64(len(f.locks)))
	}
	for rest := mine; rest != 0; rest &= rest - 1 {
		f.locks[bits.TrailingZeros64(rest)].Lock()
	}
	return func() {
		for rest := mine; rest != 0; rest &= rest - 1 {
			f.locks[bits.TrailingZeros64(rest)].Unlock()
		}
	}
}

// byFolder has what stands in one folder follow each other, so that each folder
// is opened once.
func byFolder(a, b tree.Path) int {
	if byParent := strings.Compare(string(a.Parent()), string(b.Parent())); byParent != 0 {
		return byParent
	}
	return strings.Compare(string(a), string(b))
}

// follow puts the times of folders back in which something was changed, on
// either side: they change with what is in them. Where that goes wrong the
// folder is dirty.
func (b *batch) follow(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	m := b.m
	defer m.following.lock(b.parents)()
	var actions []tree.Action
	for _, parent := range slices.SortedFunc(maps.Keys(b.parents), byFolder) {
		if parent == tree.Root && m.guard.holdsRoot() {
			continue // what stands at the root now is no model for the replica's
		}
		self, err := b.folders.look(parent)
		switch {
		case err == nil:
			actions = append(actions, tree.Action{
				Kind: tree.Metadata, Path: parent, Want: self, Over: tree.Folder, Follows: true,
			})
		case !isGone(err):
			m.dirtyFor(b.parents[parent], parent, dirt{cause: ByPass})
		}
	}
	if len(actions) == 0 {
		return
	}
	for i, o := range m.replica.Apply(ctx, actions) {
		if o.Err != nil {
			path := actions[i].Path
			m.dirtyFor(b.parents[path], path, dirt{cause: ByPass})
			continue
		}
		m.acted(actions[i], o, ByWatch, 0)
	}
}
