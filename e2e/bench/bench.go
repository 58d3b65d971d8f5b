// Package bench measures mirrors on the machine it runs on: how soon a change is in the replica, and what waiting costs.
//
//	go test -run '^$' -bench Latency ./e2e/bench
//
// The folders are made in the temporary folder: TMPDIR chooses the disk.
package bench
