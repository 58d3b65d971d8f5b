package main

// One stop may be more than one signal.

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Signals that come together are one stop, which may come to its end; after a
// while the second one is heeded, and in the end no signal is needed.
//
// Scenarios: O1.
func TestSignalsOfOneStop(t *testing.T) {
	const never = time.Hour
	for _, tc := range []struct {
		name    string
		signals []time.Duration // when they come
		ended   time.Duration   // when all had stopped
		want    time.Duration   // when the process ended
		clean   bool
	}{
		{"one", []time.Duration{0}, oneStop / 2, oneStop / 2, true},
		{"together", []time.Duration{0, 0, 0}, oneStop / 2, oneStop / 2, true},
		{"together_and_hanging", []time.Duration{0, 0, 0}, never, oneStop, false},
		{"impatient", []time.Duration{0, oneStop + time.Millisecond}, never, oneStop + time.Millisecond, false},
		{"hanging", []time.Duration{0}, never, stopGrace, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				signals, released, stopped := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
				for _, at := range tc.signals {
					time.AfterFunc(at, func() {
						select {
						case signals <- os.Interrupt:
						default:
						}
					})
				}
				ending := time.AfterFunc(tc.ended, func() { close(released) })
				defer ending.Stop()
				why := awaitStop(signals, released, func() { close(stopped) }, stopGrace)
				<-stopped
				if took := time.Since(began); took != tc.want || (why == "") != tc.clean {
					t.Errorf("ended after %v, saying %q; want %v", took, why, tc.want)
				}
			})
		})
	}
}
