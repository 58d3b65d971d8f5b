package watcher

import (
	"errors"
	"io"
	"os"
)

// attr is what one look at an entry tells, without following it.
type attr struct {
	id           identity
	mode         uint32 // kind and permissions, in the system's own bits
	size         int64
	mtime, ctime int64 // in nanoseconds
	folder       bool
	links        uint64 // 0 where it is not asked for
}

// rootID tells the folder at the root from any other that is put there, also from one that gets the same number, and
// from the same one mounted anew, whose watches are dead. birth and mount are 0 where the system does not know them.
type rootID struct {
	identity
	birth int64
	mount uint64
}

// handle is an open folder.
type handle struct {
	file *os.File
	attr attr
}

func (h *handle) close() { h.file.Close() }

// rewind makes list begin anew.
func (h *handle) rewind() error {
	_, err := h.file.Seek(0, io.SeekStart)
	return err
}

// errNoFolder says that there is something at the path, but no folder.
var errNoFolder = errors.New("not a folder")

// The bodies of these are in place_unix.go, place_windows.go and list_*.go:
//
//	openPlace(root) (*place, error)         a handle of the root, for a short time: it keeps a mount busy
//	(*place).stat(path) (attr, error)       look at one entry, following no symlink at the end of path
//	(*place).open(path) (*handle, error)    open a folder for reading, following no symlink anywhere
//	(*handle).stat(name) (attr, error)      look at one entry of it
//	(*handle).list(buffer, each) error      call each for every entry; the name is for the call only, and buffer
//	                                        has listBytes. After an error some entries may be missing
//	(*handle).remote() string               the name of its file system if that sends no events, else ""
//	(*handle).countsFolders() bool          link counts tell how many folders are in a folder of its file system
//	readRoot(root) (rootID, attr, error)    identify the root; errNoFolder
//	gone(err) bool                          there is no such entry, for certain
//	crowded(err) bool                       the system is short of handles: try again later
//	spent(err) bool                         no watch is left
//	watchLimit() int, instanceLimit() int   what the system grants; 0 if it does not tell
//	watchRemedy(need), instanceRemedy(limit) the command lines that raise them
//	fileBudget() int                        how many files may be held open for watches, where that costs files
//	costPerEntry                            files that the watch of a folder holds open for each entry in it
