package reconcile

import "testing"

// A place among the big ones is not kept free for one that something above it
// holds up: what holds it up may wait for that place.
func TestQueueLetsAnotherBigOne(t *testing.T) {
	q := newQueue(2)
	add(q, "x", "a/big", "z")
	for _, it := range takes(t, q, "x", "a/big", "z") {
		q.enlarge(it)
	}
	x := takes(t, q, "x")
	takes(t, q) // no place for the others
	add(q, "a")
	takes(t, q, "a")
	settleAll(q, x)
	takes(t, q, "z")
}
