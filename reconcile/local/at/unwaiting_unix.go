//go:build linux || darwin

package at

// Calls that wait for nothing but memory are not announced to the scheduler as
// those that may block must be. To announce them costs as much as to copy a
// small file's attributes or content; and in the midst of a longer call the
// scheduler wakes another thread to go on with something else, after which
// the two are in each other's way. Were an unannounced call to wait, the
// scheduler would wait with it, as it does when memory itself is swapped out.
// Opens and reads, which others may have wait, are timed for that (approval).

// fileSystem says how a folder's file system answers.
type fileSystem = uint32

const (
	notAsked  fileSystem = iota
	elsewhere            // over a network, or from a process
	byItself             // what it says of open files is in memory, and of others that it knows
	inMemory             // and so is all that they hold
)
