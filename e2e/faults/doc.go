// Package faults is the proof that nothing is lost, whatever the system does to the mirror: it kills the real binary at every step,
// lets every system call fail, cuts the power, fills disks, takes descriptors and memory away, and swaps folders for symlinks.
//
// Everything here is a test and runs on 64-bit Linux as root. LOCKSTEP_SOAK=1 in the environment makes the samples complete and the races
// longer.
package faults
