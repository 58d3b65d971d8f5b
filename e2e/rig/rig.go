// Package rig builds the lockstep binary, runs it beside a test, and waits for what it does.
//
// Nothing waits by sleeping for a fixed time: [Await] asks again and again until a deadline. What is started dies with the test.
package rig

import (
	"flag"
	"fmt"
	"time"
)

// Await calls probe until it returns nil, and gives up after within with the last error.
// It asks every few milliseconds at first and less often later.
func Await(within time.Duration, probe func() error) error {
	const first, last = 2 * time.Millisecond, 50 * time.Millisecond
	deadline := time.Now().Add(within)
	for pause := first; ; pause = min(pause*5/4, last) {
		err := probe()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still not after %v: %w", within, err)
		}
		time.Sleep(pause)
	}
}

// SetUnlessGiven sets a flag of the test that is not on its command line. Flags have to be parsed.
func SetUnlessGiven(name, value string) error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return nil
	}
	return flag.Set(name, value)
}
