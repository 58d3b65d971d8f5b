package server

import (
	"io"
	"time"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

var _ tree.Staged = (*arriving)(nil)

// Unfinished keeps what arrived of a content that did not become complete, for
// the next attempt: what was read of it is in written. A disk that is full is
// not filled further, and has its room back at once.
func (c *arriving) Unfinished(written io.ReaderAt) {
	if !c.brokeOff() {
		for _, path := range c.standing() {
			c.gone()
			c.b.handles.close(path)
		}
		return
	}
	if !c.streamed || c.unspooled() {
		return
	}
	until := time.Time{}
	if c.b.ctx.Err() != nil { // somebody waits for the end
		until = time.Now().Add(rescueWithin)
	}
	buf := make([]byte, wire.MaxChunk)
	for i := 0; until.IsZero() || time.Now().Before(until); i++ {
		s, ok := c.rescue(i, buf, written)
		if !ok {
			return
		}
		if s.length == 0 {
			continue
		}
		if c.spool == nil {
			var err error
			if c.spool, err = c.b.x.folder.Spool.Begin(); err != nil {
				return // it is sent once more
			}
		}
		if _, err := c.spool.Append(s.name, buf[:s.length]); err != nil {
			return
		}
	}
}

// brokeOff reports whether the rest of the content does not come.
func (c *arriving) brokeOff() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.err != nil || c.b.failed != nil || c.b.ctx.Err() != nil
}

// rescue fills buf with segment i, of no length if it is not worth keeping;
// false when there is none.
func (c *arriving) rescue(i int, buf []byte, written io.ReaderAt) (s segment, ok bool) {
	c.b.mu.Lock()
	if ok = i < len(c.segments); ok {
		s = c.segments[i]
	}
	c.b.mu.Unlock()
	switch {
	case !s.came || !s.named:
		s.length = 0
	case s.bytes != nil:
		copyAt(buf[:s.length], s.bytes, 0)
	case readFull(written, buf[:s.length], s.start) != nil:
		s.length = 0
	}
	return s, ok
}
