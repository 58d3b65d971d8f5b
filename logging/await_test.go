package logging

import (
	"testing"
	"time"
)

// patience is how long a test waits for what must happen: long, because a test that passes never waits for it.
const patience = 20 * time.Second

// await asks every millisecond until met returns nil, and fails with its last error.
func await(t *testing.T, met func() error) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for err := met(); err != nil; err = met() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}
