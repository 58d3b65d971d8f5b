// Package model turns folders upside down at random under a running lockstep, and wants the trees equal whenever it rests.
//
// What is done follows from a seed, which each test prints:
//
//	go test ./e2e/model -run TestEvents -seed 7             the same once more
//	go test ./e2e/model -run TestReplay -replay FILE        a list of operations, as a failure prints it
//	LOCKSTEP_SOAK=10m go test -timeout 1h ./e2e/model       many seeds
//
// A list that fails is made shorter before it is shown: operations are left out one after the other, for as long as it still fails.
package model
