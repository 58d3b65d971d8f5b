package watcher

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// event is everything that the drain knows about one name since it was last taken.
type event struct {
	name        string // as the backend gave it: absolute, with the separators of the system
	first, last time.Duration
	// Numbers of events, counted over all names: of the latest one here, and of the latest Remove or Rename (0: none).
	seq, gone uint64
}

// drain empties the channels of one backend into a set that grows as it must and is bounded by the number of distinct
// names. It takes no lock but its own, which is never held across a call into the backend: so the backend, which may
// send an error while it holds the lock that Add needs, always gets rid of it.
type drain struct {
	wake chan<- struct{} // told, without waiting, when there is something to take
	now  func() time.Duration
	done chan struct{} // closed when both channels have ended

	// Guarded by mu.
	mu       sync.Mutex
	index    map[string]int
	events   []event
	seq      uint64
	overflow bool
	broken   bool
}

func newDrain(wake chan<- struct{}, now func() time.Duration) *drain {
	return &drain{wake: wake, now: now, done: make(chan struct{}), index: make(map[string]int)}
}

// run is the draining goroutine: it ends when the backend has closed its channels, and does nothing else that waits.
func (d *drain) run(b backend) {
	defer close(d.done)
	events, errs := b.Events(), b.Errors()
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			d.put(e)
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			d.fail(err)
		}
	}
	d.mu.Lock()
	d.broken = true
	d.mu.Unlock()
	d.tell()
}

func (d *drain) put(e fsnotify.Event) {
	now := d.now()
	d.mu.Lock()
	d.seq++
	i, ok := d.index[e.Name]
	if !ok {
		i = len(d.events)
		d.index[e.Name] = i
		d.events = append(d.events, event{name: e.Name, first: now})
	}
	known := &d.events[i]
	known.last, known.seq = now, d.seq
	if e.Has(fsnotify.Remove | fsnotify.Rename) {
		known.gone = d.seq
	}
	d.mu.Unlock()
	d.tell()
}

// fail sorts an error of the backend: events were lost, the backend is of no use any more, or it does not matter.
func (d *drain) fail(err error) {
	d.mu.Lock()
	switch {
	case errors.Is(err, fsnotify.ErrEventOverflow):
		d.overflow = true
	case errors.Is(err, syscall.EINVAL), errors.Is(err, fsnotify.ErrNonExistentWatch):
		// The backend removed a watch that the system had removed already.
	default:
		d.broken = true
	}
	d.mu.Unlock()
	d.tell()
}

func (d *drain) tell() { tell(d.wake) }

// tell wakes who waits, without waiting.
func tell(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// take hands over what has gathered, in the order of the first event at each name.
func (d *drain) take() (events []event, overflow, broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	events, overflow, broken = d.events, d.overflow, d.broken
	d.events, d.overflow, d.broken = nil, false, false
	if len(events) > keptIndex {
		d.index = make(map[string]int)
	} else {
		clear(d.index)
	}
	return events, overflow, broken
}

// waits reports whether there is something to take.
func (d *drain) waits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events) > 0 || d.overflow || d.broken
}

// keptIndex is the number of names above which the index is given back: a cleared map keeps its size and clearing
// it takes time in proportion.
const keptIndex = 1024

// count returns the number of the latest event. An event that has at most this number was on its way before the call.
func (d *drain) count() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seq
}
