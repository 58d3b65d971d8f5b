//go:build race

package rig

import "time"

// Race reports whether the binary is built with the race detector: it is when the test is.
const Race = true

// Patience is how long a test waits for what happens at once on an idle machine.
const Patience = 90 * time.Second

// StopWithin is how long a stop may take: the promise is two seconds, and the race detector slows everything down.
const StopWithin = 10 * time.Second
