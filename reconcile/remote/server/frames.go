package server

import (
	"sync"

	"google.golang.org/grpc/mem"
)

// frameSize is the longest frame of data that gRPC sends (RFC 9113, section
// 4.2), and so the size of nearly all of them in a large content.
const frameSize = 16 << 10

// frames keeps buffers for whole frames. Nobody clears them: whoever takes one
// fills it.
type frames struct {
	mem.BufferPool // for all other sizes
	whole          sync.Pool
}

func newFrames() *frames {
	return &frames{
		BufferPool: mem.DefaultBufferPool(),
		whole:      sync.Pool{New: func() any { b := make([]byte, frameSize); return &b }},
	}
}

// Get returns a buffer of that length.
func (f *frames) Get(length int) *[]byte {
	if length <= frameSize/2 || length > frameSize {
		return f.BufferPool.Get(length)
	}
	b := f.whole.Get().(*[]byte)
	*b = (*b)[:length]
	return b
}

// Put takes one back.
func (f *frames) Put(b *[]byte) {
	if cap(*b) != frameSize {
		f.BufferPool.Put(b)
		return
	}
	f.whole.Put(b)
}
