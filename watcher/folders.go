package watcher

import (
	"math"
	"strings"
)

// identity tells one entry from every other that exists at the same time. A number is handed out again when its entry
// is gone, so equal identities at different times prove nothing.
type identity struct{ dev, ino uint64 }

// care is how a folder is looked after.
type care uint8

const (
	watched     care = iota
	overLimit        // polled: there was no watch left
	remote           // polled: its file system sends no events
	unwatchable      // polled: it cannot have a watch for a reason of its own
	blind            // not even readable: tried again at each poll
	careCount
)

// folder is a folder that is known to be in the tree. There is one for each, so it is kept small.
type folder struct {
	path string // relative to the root; shares its bytes with the name that the backend holds
	id   identity
	// Up to this number the events below this name belong to an earlier folder here: the listing after Add covers them.
	armed uint64
	// The folders in it are a chain.
	child, next, prev *folder
	look              *look // nil while it is watched
	files             int32 // what the watch costs besides itself: see costPerEntry
	care              care
	counts            bool // its link count tells of the folders in it
	leaf              bool // and told, after the watch was there, that there is none
}

// linksOfLeaf is the link count of a folder in which there is no folder, where that is counted: its name and its own
// "."; each folder in it adds a "..".
const linksOfLeaf = 2

// folders is the bookkeeping of the tree: who is where, by path and by identity. It does no I/O.
type folders struct {
	byPath map[string]*folder
	byID   map[identity]*folder
	polled []*folder // all that are not watched
	counts [careCount]int
	files  int // the sum over all folders
}

func newFolders() *folders {
	return &folders{byPath: make(map[string]*folder), byID: make(map[identity]*folder)}
}

// insert adds f, whose parent is known unless it is the root and whose path is not.
// The first folder keeps an identity: a second one with it is a bind mount.
func (t *folders) insert(f *folder) {
	t.byPath[f.path] = f
	if _, taken := t.byID[f.id]; !taken {
		t.byID[f.id] = f
	}
	if f.path != "" {
		parent := t.byPath[dir(f.path)]
		f.next = parent.child
		if f.next != nil {
			f.next.prev = f
		}
		parent.child = f
	}
	t.counts[f.care]++
	t.files += int(f.files)
	if f.care != watched {
		t.enlist(f)
	}
}

// setCare changes how f is looked after.
func (t *folders) setCare(f *folder, c care) {
	t.counts[f.care]--
	t.counts[c]++
	if c != watched {
		t.files -= int(f.files)
		f.files = 0
	}
	if f.care != watched && c == watched {
		t.delist(f)
	}
	if f.care == watched && c != watched {
		t.enlist(f)
	}
	f.care = c
}

func (t *folders) enlist(f *folder) {
	if f.look == nil {
		f.look = &look{}
	}
	f.look.slot = len(t.polled)
	t.polled = append(t.polled, f)
}

func (t *folders) delist(f *folder) {
	last := t.polled[len(t.polled)-1]
	t.polled[f.look.slot] = last
	last.look.slot = f.look.slot
	t.polled[len(t.polled)-1] = nil
	t.polled = t.polled[:len(t.polled)-1]
	f.look = nil
}

// forget removes f and everything below it and returns them, the deepest first.
func (t *folders) forget(f *folder) []*folder {
	if f.prev != nil {
		f.prev.next = f.next
	} else if f.path != "" {
		t.byPath[dir(f.path)].child = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.next, f.prev = nil, nil

	all := []*folder{f}
	for i := 0; i < len(all); i++ {
		for c := all[i].child; c != nil; c = c.next {
			all = append(all, c)
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	for _, g := range all {
		delete(t.byPath, g.path)
		if t.byID[g.id] == g {
			delete(t.byID, g.id)
		}
		t.counts[g.care]--
		t.files -= int(g.files)
		if g.care != watched {
			t.delist(g)
		}
	}
	return all
}

func (t *folders) polledCount() int {
	return t.counts[overLimit] + t.counts[remote] + t.counts[unwatchable]
}

// dir returns the path of the folder that holds path, which is not the root.
func dir(path string) string {
	return path[:max(0, strings.LastIndexByte(path, '/'))]
}

// base returns the last name of path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// clampFiles fits a number of entries into a folder.
func clampFiles(n int) int32 { return int32(min(n, math.MaxInt32)) }
