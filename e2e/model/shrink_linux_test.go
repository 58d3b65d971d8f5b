package model_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	// shrinkFor is how long a failure may be made shorter.
	shrinkFor = 2 * time.Minute
	// unequalAfter is how long the trees may differ until a shorter list counts as failing too.
	unequalAfter = 6 * time.Second
	// tries are how often a list is carried out before it counts as good: what fails depends on the moment.
	tries = 3
)

// again carries out list from the beginning; it fails if the trees are not equal at a rest or at the end.
func again(t *testing.T, seed uint64, list []operation, within time.Duration) error {
	s, err := newSession(seed)
	defer s.close()
	if err != nil {
		return err
	}
	p := s.playground(s.source)
	for i, o := range list {
		if o.kind != rest {
			// What cannot be done was drawn in another tree, and is left out.
			_ = p.do(t.Context(), o)
			continue
		}
		if err := s.rest(within); err != nil {
			return fmt.Errorf("after %d operations: %w\n%s", i, err, s.ending(t))
		}
	}
	if err := s.rest(within); err != nil {
		return fmt.Errorf("at the end: %w\n%s", err, s.ending(t))
	}
	return nil
}

// shrink prints the shortest list that it finds to fail as list does: pieces are left out, large ones first, for as long as it
// still fails. See Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002.
func shrink(t *testing.T, seed uint64, list []operation) {
	t.Helper()
	end := time.Now().Add(shrinkFor)
	fails := func(list []operation) (err error) {
		for try := 0; try < tries && err == nil && time.Now().Before(end); try++ {
			err = again(t, seed, list, unequalAfter)
		}
		return err
	}
	err := fails(list)
	if err == nil {
		t.Logf("the same operations did not fail again; all of them:\n%s", written(list))
		return
	}
	for size := len(list) / 2; size > 0; size /= 2 {
		for at := 0; at < len(list); {
			shorter := append(append([]operation{}, list[:at]...), list[min(at+size, len(list)):]...)
			if shorterErr := fails(shorter); shorterErr != nil {
				list, err = shorter, shorterErr
			} else {
				at += size
			}
		}
	}
	t.Logf("fails with: %v\n%d operations, for -seed %d -replay:\n%s", err, len(list), seed, written(list))
}

func written(list []operation) string {
	var text strings.Builder
	for _, o := range list {
		fmt.Fprintln(&text, o)
	}
	return text.String()
}
