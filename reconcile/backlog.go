package reconcile

import "time"

// backlog counts the paths that have not had a turn to its end, by generations.
// Whoever asks whether all that were dirty at some moment have had one begins
// another generation at that moment. The queue's mutex guards it.
type backlog struct {
	generation uint64 // of what becomes dirty now
	oldest     uint64 // all before have had their turn
	unseen     map[uint64]int
}

// foresee counts a path that is to have its first turn.
func (b *backlog) foresee(it *item) {
	it.seen, it.generation = false, b.generation
	b.unseen[it.generation]++
}

// see notes that a path had a turn.
func (b *backlog) see(it *item) {
	if it.seen {
		return
	}
	it.seen = true
	if b.unseen[it.generation]--; b.unseen[it.generation] == 0 {
		delete(b.unseen, it.generation)
	}
}

// unsee takes back that a path had a turn: it counts as before.
func (b *backlog) unsee(it *item) {
	it.seen = false
	b.unseen[it.generation]++
	b.oldest = min(b.oldest, it.generation)
}

// moment returns what [queue.allSeen] takes for the paths that are dirty now.
func (q *queue) moment() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.generation++
	return q.generation
}

// allSeen reports whether every path that was dirty at a moment has had a turn
// since it became dirty.
func (q *queue) allSeen(moment uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.oldest < moment && q.unseen[q.oldest] == 0 {
		q.oldest++
	}
	return q.oldest >= moment
}

// putOff is delay for a path whose turn told nothing: it has not been seen.
func (q *queue) putOff(it *item, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.putBack(it, pause)
	q.unsee(it)
}
