package watcher

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

type surroundings struct {
	folders *os.File // inotify
	mounts  *os.File // mountFile
	ears    sync.WaitGroup
	moved   atomic.Bool // a folder above the root did
}

// heed calls inotify_add_watch for each folder above the root, for what happens to that folder itself and not to the
// entries in it. fsnotify always asks for both, which in a home folder is a lot.
func heed(root string, tell func()) (*surroundings, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	s := &surroundings{folders: os.NewFile(uintptr(fd), "inotify")}
	for folder := root; err == nil && folder != filepath.Dir(folder); {
		folder = filepath.Dir(folder)
		err = heedFolder(fd, folder)
	}
	if err == nil {
		s.mounts, err = os.Open(mountFile)
	}
	if err == nil {
		err = s.mounts.SetReadDeadline(time.Time{}) // an error if the runtime cannot wait for it
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.ears.Go(func() { s.hearFolders(tell) })
	s.ears.Go(func() { s.hearMounts(tell) })
	return s, nil
}

// heedFolder refuses a folder that another machine may move.
func heedFolder(fd int, folder string) error {
	above, err := openPlace(folder)
	if err != nil {
		return err
	}
	defer above.close()
	if remoteName(above.fd) != "" {
		return errUnheard
	}
	_, err = unix.InotifyAddWatch(fd, folder, unix.IN_MOVE_SELF|unix.IN_DELETE_SELF|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
	return os.NewSyscallError("inotify_add_watch", err)
}

// hearFolders ends with close.
func (s *surroundings) hearFolders(tell func()) {
	var events [unix.SizeofInotifyEvent * 64]byte // they bear no names
	for {
		if _, err := s.folders.Read(events[:]); err != nil {
			return
		}
		s.moved.Store(true)
		tell()
	}
}

// hearMounts ends with close. The table can be read at any time: what the runtime waits for is the mark of a change,
// see [mountTable], of which each open file has its own.
func (s *surroundings) hearMounts(tell func()) {
	table, err := s.mounts.SyscallConn()
	if err != nil {
		return
	}
	first := true
	_ = table.Read(func(uintptr) (done bool) { // its error says that it is closed
		if !first {
			tell()
		}
		first = false
		return false
	})
}

func (s *surroundings) stale() bool { return s.moved.Load() }

func (s *surroundings) close() {
	// Nothing was written that an error could lose.
	s.folders.Close()
	if s.mounts != nil {
		s.mounts.Close()
	}
	s.ears.Wait()
}

// errUnheard says that something may happen around the root that nobody tells.
var errUnheard = errors.New("a folder above is on a file system that sends no events")
