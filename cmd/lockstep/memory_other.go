//go:build !linux

package main

// heedMemoryLimit has no control groups to ask here.
func heedMemoryLimit() {}
