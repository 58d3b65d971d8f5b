package model_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// How much is done: a burst is what happens between two rests.
const (
	bursts    = 8
	burstMost = 80
	// briefly is how long each test goes on with new seeds when nothing else is said, and brieflyRaced where the binary is slower: the
	// same seeds find more without.
	briefly, brieflyRaced = 15 * time.Second, 8 * time.Second
)

// TestEvents changes the source at random. Whenever it rests, the replica follows through events alone; passes that happen meanwhile
// bring nothing old back, there is a watch for each folder and no other, and no trouble is told of.
//
// Scenarios: E24, O13.
func TestEvents(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) (operations int, took []time.Duration) {
		s := openSession(t, seed)
		m := newMutator(seed, s.playground(s.source))
		for range bursts {
			for range 1 + m.IntN(burstMost) {
				m.step(t.Context())
			}
			if err := s.rest(rig.Patience); err != nil {
				t.Errorf("after %d operations the trees stay unequal: %v\n%s", len(m.done), err, s.ending(t))
				if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "operations"), []byte(written(m.done)), 0o644); err != nil {
					t.Error(err)
				}
				shrink(t, seed, m.done)
				return m.took, s.took
			}
			if last := s.took[len(s.took)-1]; last > time.Second {
				t.Logf("after %d operations it took %v:\n%s", len(m.done), last, s.ending(t))
			}
			m.rested()
			_, folders, _ := m.entries("tree")
			if err := errors.Join(s.lean(len(folders)), s.calm()); err != nil {
				t.Fatalf("%v\n%s", err, s.ending(t))
			}
		}
		if err := s.proof(true); err != nil {
			t.Errorf("%v\n%s", err, s.ending(t))
		}
		if differences, err := judge.Compare(t.Context(), s.source, s.replica); err != nil || len(differences) > 0 {
			t.Errorf("after a pass: %v %q", err, differences)
		}
		return m.took, s.took
	})
}

// TestTampering changes the source and the replica at the same time. When both rest, one pass makes the trees equal.
func TestTampering(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) (operations int, took []time.Duration) {
		s := openSession(t, seed, "--allow-empty-source")
		mutators := []*mutator{newMutator(seed, s.playground(s.source)), newMutator(^seed, s.playground(s.replica))}
		for range bursts / 2 {
			var both sync.WaitGroup
			for _, m := range mutators {
				both.Go(func() {
					for range 1 + m.IntN(burstMost) {
						m.step(t.Context())
					}
				})
			}
			both.Wait()
			if err := s.proof(false); err != nil {
				t.Fatalf("after a pass: %v\n%s\nin the source:\n%s\nin the replica:\n%s", err, s.ending(t),
					written(mutators[0].done), written(mutators[1].done))
			}
		}
		if differences, err := judge.Compare(t.Context(), s.source, s.replica); err != nil || len(differences) > 0 {
			t.Errorf("at the end: %v %q", err, differences)
		}
		return mutators[0].took + mutators[1].took, s.took
	})
}

// TestKill ends the mirror without warning while the source changes, and starts it again: its first pass makes the trees equal, with
// nothing left of what was under way.
func TestKill(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) (operations int, took []time.Duration) {
		s := openSession(t, seed, "--allow-empty-source")
		m := newMutator(seed, s.playground(s.source))
		for range bursts / 2 {
			killed := m.IntN(burstMost)
			for i := range burstMost {
				if i == killed {
					s.process.Kill()
				}
				m.step(t.Context())
			}
			if err := s.start(); err != nil {
				t.Fatalf("%v\n%s", err, s.ending(t))
			}
			if err := s.rest(rig.Patience); err != nil {
				t.Fatalf("after a start: %v\n%s\n%s", err, s.ending(t), written(m.done))
			}
			m.rested()
		}
		if err := s.proof(true); err != nil {
			t.Errorf("%v\n%s", err, s.ending(t))
		}
		return m.took, s.took
	})
}

// TestReplay carries out a list of operations, as a failure prints it.
func TestReplay(t *testing.T) {
	text := []byte(sample)
	if *replay != "" {
		var err error
		if text, err = os.ReadFile(*replay); err != nil {
			t.Fatal(err)
		}
	}
	list, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := again(t, *seed, list, rig.Patience); err != nil {
		t.Error(err)
	}
}

// sample is replayed when nothing else is asked for.
const sample = `
mkdir "tree/a" "" 5
save "tree/a/\xff" "tree/.new" 17
pause "" "" 2000
rename "tree/a" "tree/b" 0
rest "" "" 0
exchange "tree/b" "tree/none" 0
flip "tree/b" "symlink" 0
rest "" "" 0
`

// eachSeed runs check for the seed that is asked for, or for new ones until the time is over, and says what was done.
func eachSeed(t *testing.T, check func(t *testing.T, seed uint64) (operations int, took []time.Duration)) {
	long := briefly
	if rig.Race {
		long = brieflyRaced
	}
	if text := os.Getenv(soakFor); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seeds, operations := 0, 0
	var took []time.Duration
	for end := time.Now().Add(long); time.Now().Before(end) && !t.Failed(); {
		next := *seed
		if next == 0 {
			next = uint64(rand.Uint32())
		}
		t.Run(fmt.Sprintf("seed=%d", next), func(t *testing.T) {
			n, times := check(t, next)
			seeds, operations, took = seeds+1, operations+n, append(took, times...)
		})
		if *seed != 0 {
			break
		}
	}
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	late, _ := slices.BinarySearch(took, time.Second)
	t.Logf("%d seeds, %d operations; of %d rests half were equal within %v, all within %v, %d later than a second",
		seeds, operations, len(took), took[len(took)/2], took[len(took)-1], len(took)-late)
}
