package main

import "os"

// stopSignals returns what ends a mirror cleanly; Windows has Ctrl-C and no other.
func stopSignals() []os.Signal { return []os.Signal{os.Interrupt} }

// passRequests has no signal to wait for here.
func passRequests() (requested <-chan os.Signal, release func()) { return nil, func() {} }
