//go:build !linux

package local

// On this system the type of a file system does not tell what it keeps.
func hasModes(uint64) bool { return true }

func isFUSE(uint64) bool { return false }

func isFAT(uint64) fatKind { return notFAT }

func timesOf(uint64, int64) (earliest, latest int64) { return 0, 0 }
