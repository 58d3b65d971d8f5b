package at

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// listingSize holds some thousand names, so that most folders take two calls.
const listingSize = 64 << 10

var listings = sync.Pool{New: func() any { return new([listingSize]byte) }}

// The layout of struct linux_dirent64 (getdents64(2)).
const (
	direntIno    = 0
	direntLength = 16
	direntType   = 18
	direntName   = 19
)

// Names appends every name of the folder to buf[:0], in no order. It returns
// all names or an error, never a part of them. One that is made, renamed or
// removed meanwhile may be missing, and so may its neighbours.
func (d *Dir) Names(buf []Name) ([]Name, error) {
	if d.pathOnly {
		return nil, os.NewSyscallError("getdents64", unix.EACCES)
	}
	d.listing.Lock()
	defer d.listing.Unlock()
	if d.listed {
		if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
			return nil, os.NewSyscallError("lseek", err)
		}
	}
	d.listed = true
	raw := listings.Get().(*[listingSize]byte)
	defer listings.Put(raw)
	buf = buf[:0]
	for {
		n, _, errno := unix.Syscall(unix.SYS_GETDENTS64, uintptr(d.fd), uintptr(unsafe.Pointer(raw)), listingSize)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return nil, os.NewSyscallError("getdents64", errno)
		case n == 0:
			return buf, nil
		default:
			var ok bool
			if buf, ok = appendNames(buf, raw[:n]); !ok {
				return nil, os.NewSyscallError("getdents64", unix.EIO)
			}
		}
	}
}

// appendNames takes the names out of raw. All of them share one string: they
// are many and short, and each would cost an allocation.
func appendNames(buf []Name, raw []byte) (_ []Name, ok bool) {
	text := string(raw)
	for len(raw) > 0 {
		if len(raw) < direntName {
			return nil, false
		}
		length := int(binary.NativeEndian.Uint16(raw[direntLength:]))
		if length <= direntName || length > len(raw) {
			return nil, false
		}
		end := bytes.IndexByte(raw[direntName:length], 0)
		if end < 0 {
			return nil, false
		}
		if name := text[direntName : direntName+end]; name != "." && name != ".." {
			ino := binary.NativeEndian.Uint64(raw[direntIno:])
			buf = append(buf, Name{Name: name, Kind: direntKind(raw[direntType]), Ino: ino})
		}
		raw, text = raw[length:], text[length:]
	}
	return buf, true
}

// direntKind returns the kind of a DT_ constant, which is the kind's bits of the
// mode moved down by 12 (DTTOIF in readdir(3)).
func direntKind(t byte) tree.Kind {
	if t > unix.S_IFMT>>12 {
		return tree.Absent
	}
	return kindOf(uint32(t) << 12)
}
