package watcher

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// debouncer holds dirty paths until they are due: quiet after the last event, and at most maxDelay after the first.
// Times are measured from any fixed moment. Not safe for concurrent use.
type debouncer struct {
	quiet, maxDelay time.Duration

	byPath map[string]*pending
	heap   pendingHeap
	seq    uint64
}

// pending is a path that waits. wake is never later than when it is due; an event that moves the due time on leaves
// wake alone, and the heap is put right when wake comes: an event costs one look into the map.
type pending struct {
	path        string
	seq         uint64
	first, last time.Duration
	wake        time.Duration
	gone        bool // the last event said that it went away
}

func newDebouncer(quiet, maxDelay time.Duration) *debouncer {
	return &debouncer{quiet: quiet, maxDelay: maxDelay, byPath: make(map[string]*pending)}
}

// add records events at path; first and last are the times of the earliest and latest.
func (d *debouncer) add(path string, first, last time.Duration) {
	if p, ok := d.byPath[path]; ok {
		p.last, p.gone = max(p.last, last), false
		return
	}
	d.seq++
	p := &pending{path: path, seq: d.seq, first: first, last: last}
	p.wake = d.due(p)
	d.byPath[path] = p
	heap.Push(&d.heap, p)
}

// went is add for events that say that path went away. Hearing it again changes nothing: of a folder that is renamed the
// one above tells and then the folder itself, and the old name is not to come after the new one.
func (d *debouncer) went(path string, first, last time.Duration) {
	if p, ok := d.byPath[path]; ok && p.gone {
		return
	}
	d.add(path, first, last)
	d.byPath[path].gone = true
}

func (d *debouncer) due(p *pending) time.Duration {
	return min(p.last+d.quiet, p.first+d.maxDelay)
}

// take removes and returns the paths that are due at now, in the order in which they were first seen.
func (d *debouncer) take(now time.Duration) []string {
	var ripe []*pending
	for len(d.heap) > 0 && d.heap[0].wake <= now {
		p := d.heap[0]
		if p.wake = d.due(p); p.wake > now {
			heap.Fix(&d.heap, 0)
			continue
		}
		heap.Pop(&d.heap)
		delete(d.byPath, p.path)
		ripe = append(ripe, p)
	}
	slices.SortFunc(ripe, func(a, b *pending) int { return cmp.Compare(a.seq, b.seq) })
	paths := make([]string, len(ripe))
	for i, p := range ripe {
		paths[i] = p.path
	}
	return paths
}

// next returns a time before which nothing is due; false if nothing waits.
func (d *debouncer) next() (time.Duration, bool) {
	if len(d.heap) == 0 {
		return 0, false
	}
	return d.heap[0].wake, true
}

// drop forgets everything that waits.
func (d *debouncer) drop() {
	d.heap = nil
	d.byPath = make(map[string]*pending) // a fresh map: an emptied one keeps its size
}

// pendingHeap orders by wake, the earliest first.
type pendingHeap []*pending

func (h pendingHeap) Len() int           { return len(h) }
func (h pendingHeap) Less(i, j int) bool { return h[i].wake < h[j].wake }
func (h pendingHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *pendingHeap) Push(x any)        { *h = append(*h, x.(*pending)) }
func (h *pendingHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
