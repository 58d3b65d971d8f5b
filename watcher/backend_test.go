package watcher

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
)

// faulty is a backend that fails when a test wants it to; otherwise it is the one of the system.
type faulty struct {
	backend
	events chan fsnotify.Event
	errs   chan error
	gate   sync.RWMutex // held by a test: nothing is forwarded, so the queue of the system fills

	addErr func(name string) error
	adds   *atomic.Int64
}

// begin replaces the backend of w. The returned channel holds the latest one made.
func begin(w *Watcher, addErr func(string) error) <-chan *faulty {
	made := make(chan *faulty, 16)
	w.open = func() (backend, error) {
		b, err := openBackend()
		if err != nil {
			return nil, err
		}
		f := &faulty{backend: b, events: make(chan fsnotify.Event), errs: make(chan error), addErr: addErr, adds: new(atomic.Int64)}
		go f.forward()
		made <- f
		return f, nil
	}
	return made
}

func (f *faulty) forward() {
	defer close(f.events)
	defer close(f.errs)
	events, errs := f.backend.Events(), f.backend.Errors()
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			f.gate.RLock()
			if !ok {
				events = nil
			} else {
				f.events <- e
			}
			f.gate.RUnlock()
		case err, ok := <-errs:
			f.gate.RLock()
			if !ok {
				errs = nil
			} else {
				f.errs <- err
			}
			f.gate.RUnlock()
		}
	}
}

func (f *faulty) Events() <-chan fsnotify.Event { return f.events }
func (f *faulty) Errors() <-chan error          { return f.errs }

func (f *faulty) Add(name string) error {
	f.adds.Add(1)
	if f.addErr != nil {
		if err := f.addErr(name); err != nil {
			return err
		}
	}
	return f.backend.Add(name)
}

// deaf hears nothing of the surroundings of a root: who waits for the system keeps a fake clock from going on.
func deaf(string, func()) (*surroundings, error) { return nil, errors.ErrUnsupported }

// hollow is a backend without a system: a test sends the events. It works on a fake clock.
type hollow struct {
	events chan fsnotify.Event
	errs   chan error
	once   sync.Once
}

func newHollow() *hollow {
	return &hollow{events: make(chan fsnotify.Event), errs: make(chan error)}
}

func (h *hollow) Add(string) error              { return nil }
func (h *hollow) Remove(string) error           { return nil }
func (h *hollow) Events() <-chan fsnotify.Event { return h.events }
func (h *hollow) Errors() <-chan error          { return h.errs }

func (h *hollow) Close() error {
	h.once.Do(func() {
		close(h.events)
		close(h.errs)
	})
	return nil
}
