package watcher

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// What comes while the root cannot be opened is handled as soon as it can, though nothing wakes the watcher then.
//
// Scenarios: E19.
func TestEventsWhileRootFails(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, s, h := New(root, Defaults()), newRecorder(), newHollow()
		w.open = func() (backend, error) { return h, nil }
		w.heed = quiet
		failures := 0
		w.enter = func(root string) (*place, error) {
			if failures > 0 {
				failures--
				return nil, errors.New("input/output error")
			}
			return openPlace(root)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx, s) }()
		time.Sleep(5 * w.rootEvery) // on the fake clock, as all below
		synctest.Wait()

		failures = 1
		for _, name := range []string{"a", "b", "c"} {
			h.events <- fsnotify.Event{Name: filepath.Join(root, name), Op: fsnotify.Create}
			synctest.Wait()
		}
		h.errs <- fsnotify.ErrEventOverflow
		time.Sleep(laterEvery + w.options.Quiet) // on the fake clock
		synctest.Wait()
		if want := []string{"a", "b", "c"}; !slices.Equal(s.dirty, want) {
			t.Errorf("reported %q, want %q", s.dirty, want)
		}
		if !s.rescanned(Overflow) {
			t.Error("lost events are not answered")
		}
		cancel()
		<-ended
	})
}

// quiet hears of the surroundings of a root that nothing ever happens there.
func quiet(string, func()) (*surroundings, error) { return &surroundings{mounts: -1, end: -1}, nil }
