//go:build !race

package rig

import "time"

// Race reports whether the binary is built with the race detector: it is when the test is.
const Race = false

// Patience is how long a test waits for what happens at once on an idle machine.
const Patience = 30 * time.Second

// StopWithin is how long a stop may take, as promised.
const StopWithin = 2 * time.Second
