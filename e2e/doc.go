// Package e2e is the proof: it holds the real binary to what the README promises.
//
// Its tests are script archives in testdata/script, one for each promise and named subject_behaviour.txtar, and a mirror of a large
// real tree. The inner rooms: judge says whether two folders are equal, rig runs the binary, model turns folders upside down
// under it at random, scenarios lists what has to be shown, bench measures it.
package e2e
