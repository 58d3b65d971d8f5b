package watcher

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

type surroundings struct {
	folders *os.File // inotify
	mounts  int      // mountFile
	end     int      // an eventfd that ends waiting for a change of it
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
	s := &surroundings{folders: os.NewFile(uintptr(fd), "inotify"), mounts: -1, end: -1}
	for folder := root; err == nil && folder != filepath.Dir(folder); {
		folder = filepath.Dir(folder)
		err = heedFolder(fd, folder)
	}
	if err == nil {
		s.mounts, err = retry(func() (int, error) { return unix.Open(mountFile, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	}
	if err == nil {
		s.end, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
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

// hearMounts ends with close. It waits in poll(2), for the runtime would forget a change that comes before it is asked to
// wait: the table can be read at any time, and each open file has a mark of its own for a change, see [mountTable].
func (s *surroundings) hearMounts(tell func()) {
	heard := []unix.PollFd{{Fd: int32(s.mounts), Events: unix.POLLPRI}, {Fd: int32(s.end), Events: unix.POLLIN}}
	for {
		if _, err := retry(func() (int, error) { return unix.Poll(heard, -1) }); err != nil || heard[1].Revents != 0 {
			return
		}
		tell()
	}
}

func (s *surroundings) stale() bool { return s.moved.Load() }

func (s *surroundings) close() {
	s.folders.Close() // nothing was written that an error could lose
	if s.end >= 0 {
		unix.Write(s.end, []byte{0, 0, 0, 0, 0, 0, 0, 1}) // any number but 0
	}
	s.ears.Wait()
	for _, fd := range []int{s.mounts, s.end} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// errUnheard says that something may happen around the root that nobody tells.
var errUnheard = errors.New("a folder above is on a file system that sends no events")
