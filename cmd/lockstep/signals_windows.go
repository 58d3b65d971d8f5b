package main

import "os"

// stopSignals end a mirror cleanly; Windows has Ctrl-C and no other.
var stopSignals = []os.Signal{os.Interrupt}

// passRequests has no signal to wait for here.
func passRequests() (requested <-chan os.Signal, release func()) { return nil, func() {} }
