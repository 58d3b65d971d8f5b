package main

import "os"

// stopSignals end a mirror cleanly; Windows has Ctrl-C and no other.
var stopSignals = []os.Signal{os.Interrupt}

// onRequest has no signal to wait for here.
func onRequest(func()) (stop func()) { return func() {} }
