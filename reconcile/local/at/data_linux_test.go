package at

import (
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Holes that are made in a file while it is asked for its data do not hide what
// follows them. Scenarios: C10.
func TestDataWhileHolesAreMade(t *testing.T) {
	d := open(t, t.TempDir())
	f, err := d.CreateFile("file")
	must(t, err)
	defer f.Close()
	const page, size = 4096, 1 << 20
	_, err = f.WriteAt([]byte("end"), size)
	must(t, err)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		text := make([]byte, page)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Pwrite(f.fd, text, page)
				unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, page, page)
			}
		}
	}()
	for began := time.Now(); time.Since(began) < time.Second/2; {
		for offset := int64(0); offset <= size; {
			start, end, err := f.Data(offset)
			if err == io.EOF || start >= end {
				t.Errorf("from %d on nothing: %d, %d, %v", offset, start, end, err)
				break
			}
			offset = end
		}
		if t.Failed() {
			break
		}
	}
	close(stop)
	<-ended
}

// A file that cannot share its blocks, for the system swaps to it, say, can be read
// all the same. Scenarios: S14.
func TestCloneRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EXDEV, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOTTY, unix.ETXTBSY} {
		if err := unsupported("ioctl", errno); !errors.Is(err, ErrUnsupported) || !errors.Is(err, errno) {
			t.Errorf("%v became %v", errno, err)
		}
	}
	if err := unsupported("ioctl", unix.EIO); errors.Is(err, ErrUnsupported) {
		t.Errorf("trouble became %v", err)
	}
}
