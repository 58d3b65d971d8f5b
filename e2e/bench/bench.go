// Command bench measures lockstep beside the programs that people use today: every piece of work is done by all of them in turn, on
// the same trees, in one run, so that a slow machine slows them all.
//
//	go run ./e2e/bench -scale 0.1 -rounds 3 -only pass-t1,copy-none-t1
//
// It mounts file systems of its own and therefore runs as root, on Linux. The first round of everything warms memory and is not counted.
//
// The trees are made from a seed and are the same in every run:
//
//   - T1: 100,000 files in 1,000 folders, at most four deep; sizes log-normal, median 2 KiB
//   - T2: the Go distribution and the module cache of this machine
//   - T3: four incompressible files of 1 GiB
//   - T4: 1,000,000 files of less than 128 bytes in 10,000 folders
//
// Traps that it avoids: a copy is timed on a file system that was just made, for ext4 without a journal creates files ten times
// slower for minutes after many were removed; both trees are read whole before each program's turn, and each row begins with an
// empty page cache, for a full one makes new pages dearer; a file system in memory has cheap syncs, so what syncs is measured on a
// disk, with an fsync of that disk beside it.
package main
