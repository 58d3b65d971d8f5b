package local

import (
	"fmt"
	"sync"
	"sync/atomic"

	"lockstep/reconcile/tree"
)

// syncer shares one syncfs(2) among all batches that wait for one: each brings
// the whole file system to disk, and several at once do it several times.
// Safe for concurrent use.
type syncer struct {
	opened atomic.Uint64

	// Guarded by mu. last runs, or has ended; next is that of those who wait
	// for its turn, nil if nobody does.
	mu         sync.Mutex
	last, next *syncRound
}

// syncHandle stands for the file system. The system tells each handle once of
// a write that went wrong since it was opened, so that it serves for one sync: at
// the next it would know nothing of what went wrong before, for a younger one
// that has not been told.
type syncHandle struct {
	number uint64 // of those opened, in their order
	flush  func() error
	close  func()
}

// syncRound is one syncfs and those who wait for it.
type syncRound struct {
	by   *syncHandle
	err  error // of by; set when done is closed
	done chan struct{}
}

// openSync returns a handle that tells of everything that is written from now
// on and goes wrong.
func (r *Replica) openSync() (*syncHandle, error) {
	dir, err := r.openFolder(tree.Root, toList)
	if err != nil {
		return nil, err
	}
	return &syncHandle{r.syncer.opened.Add(1), dir.dir.SyncFS, dir.close}, nil
}

// sync returns when all that was written before the call is on disk. After an
// error none of what was written since h was opened may be published, and
// another sync would not tell the truth.
//
// Whoever finds nobody waiting makes the call, when its turn comes; until then
// others may join. It is made on the handle that was opened first, which tells
// of what went wrong for any of them, so that all of them take it for theirs.
func (s *syncer) sync(h *syncHandle) error {
	s.mu.Lock()
	r, before := s.next, s.last
	leads := r == nil
	if leads {
		r = &syncRound{by: h, done: make(chan struct{})}
		s.next = r
	} else if h.number < r.by.number {
		r.by = h
	}
	s.mu.Unlock()
	if leads {
		if before != nil {
			<-before.done
		}
		s.mu.Lock()
		s.last, s.next = r, nil // who comes from now on may have written after the call
		s.mu.Unlock()
		r.err = r.by.flush()
		close(r.done)
	}
	<-r.done
	if r.err != nil {
		return fmt.Errorf("sync: %w", r.err)
	}
	return nil
}
