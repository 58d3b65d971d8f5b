package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// counted is a replica of files that does nothing but count them.
type counted struct {
	tree.Replica
	files map[tree.Path]bool
}

func (c *counted) Count(_ context.Context, path tree.Path, _ int) (int, error) {
	switch {
	case path == tree.Root:
		return len(c.files), nil
	case c.files[path]:
		return 1, nil
	}
	return 0, nil
}

// toldHeld counts what is told as held.
type toldHeld struct {
	Observer
	paths map[tree.Path]int
}

func (o toldHeld) Held(path tree.Path, _ int) { o.paths[path]++ }

// What the server held stays held, however long the client waits and asks
// again, until it asks for no more than is allowed.
//
// Scenarios: G12.
func TestGuardHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replica := &counted{files: map[tree.Path]bool{}}
		told := toldHeld{paths: map[tree.Path]int{}}
		g := &guard{limit: func(int64) int64 { return 3 }, replica: replica, observer: told}
		for i := range 10 {
			replica.files[tree.Path(fmt.Sprint(i))] = true
		}
		ask := func() (allowed int) {
			for i := range 10 {
				path := tree.Path(fmt.Sprint(i))
				err := g.allow(t.Context(), tree.Action{Kind: tree.Remove, Path: path, Over: tree.File})
				switch {
				case err == nil && replica.files[path]:
					delete(replica.files, path)
					allowed++
				case err != nil && !errors.Is(err, wire.ErrHeld):
					t.Fatal(err)
				}
			}
			return allowed
		}
		if n := ask(); n != 3 {
			t.Errorf("%d were removed, want 3", n)
		}
		for range 5 {
			time.Sleep(time.Minute) // on the fake clock
			if n := ask(); n != 0 {
				t.Errorf("%d were removed by asking again", n)
			}
		}
		if len(told.paths) != 7 {
			t.Errorf("held %v, want 7 paths", told.paths)
		}
		for path, times := range told.paths {
			if times != 1 {
				t.Errorf("%q was told %d times", path, times)
			}
		}
		if err := g.allow(t.Context(), tree.Action{Kind: tree.Update, Path: "9", Over: tree.File}); err != nil {
			t.Errorf("an update: %v", err)
		}
		// The source got most of them back, and asks for two others.
		for i := 3; i < 10; i++ {
			g.allow(t.Context(), tree.Action{Kind: tree.Update, Path: tree.Path(fmt.Sprint(i)), Over: tree.File})
		}
		for _, path := range []tree.Path{"10", "11"} {
			replica.files[path] = true
			if err := g.allow(t.Context(), tree.Action{Kind: tree.Remove, Path: path, Over: tree.File}); err != nil {
				t.Errorf("%q: %v", path, err)
			}
		}
	})
}

// A burst that goes on is one burst, however long it takes.
func TestGuardLimitsALongBurstOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replica := &counted{files: map[tree.Path]bool{}}
		g := &guard{limit: func(int64) int64 { return 3 }, replica: replica, observer: toldHeld{paths: map[tree.Path]int{}}}
		allowed := 0
		for i := range 20 {
			path := tree.Path(fmt.Sprint(i))
			replica.files[path] = true
			if g.allow(t.Context(), tree.Action{Kind: tree.Remove, Path: path, Over: tree.File}) == nil {
				allowed++
			}
			time.Sleep(burstGap / 2) // on the fake clock
		}
		if allowed != 3 {
			t.Errorf("%d were removed, want 3", allowed)
		}
	})
}
