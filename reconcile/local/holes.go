package local

import (
	"bytes"
	"io"
)

// holes answers for ascending offsets of one file whether there is a hole, at
// one question to the file system for each range of data.
type holes struct {
	of interface {
		Data(offset int64) (start, end int64, err error)
	}
	start, end int64
	asked      bool
}

// at reports whether the n bytes at offset are one hole.
func (h *holes) at(offset, n int64) (bool, error) {
	if !h.asked || offset >= h.end {
		start, end, err := h.of.Data(offset)
		if err == io.EOF {
			start, end, err = 1<<62, 1<<62, nil
		}
		if err != nil {
			return false, err
		}
		h.start, h.end, h.asked = start, end, true
	}
	return h.start >= offset+n, nil
}

// zeros is a page of them.
var zeros [page]byte

// allZero reports whether buf holds nothing but zeros.
func allZero(buf []byte) bool {
	for len(buf) > 0 {
		n := min(len(buf), page)
		if buf[0] != 0 || !bytes.Equal(buf[:n], zeros[:n]) {
			return false
		}
		buf = buf[n:]
	}
	return true
}
