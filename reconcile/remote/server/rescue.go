package server

import (
	"io"
	"time"

	"lockstep/reconcile/remote/chunk"
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

// noteEvery is how much of a streamed content is written between two notes of
// it in the index.
const noteEvery = 64 << 20

// noteWritten notes what was written before offset: a server that is killed
// cannot keep what arrived, but the next one finds it where it stands, until a
// pass removes it.
func (c *arriving) noteWritten(offset int64) {
	if offset < c.notedTo+noteEvery {
		return
	}
	c.b.mu.Lock()
	written, end := c.writtenTo(), c.held
	c.b.mu.Unlock()
	c.notedTo = offset
	if written == "" {
		return
	}
	index := c.b.x.folder.Index
	c.eachNamed(c.noted, end, func(chunks []chunk.Chunk) {
		index.Note(chunk.File{Path: written, Size: offset, Chunks: chunks})
	})
	c.noted = end
	_ = index.Flush() // what it forgets is sent once more
}

// remember notes in the index what was published at path: what was noted while
// it was written follows it there.
func (c *arriving) remember(path tree.Path) {
	c.b.mu.Lock()
	written, count := c.writtenTo(), c.segments.count
	c.b.mu.Unlock()
	index := c.b.x.folder.Index
	if c.noted > 0 {
		index.Rename(written, path)
	}
	rest := max(count-noteAtOnce, c.noted) // is noted last, as this version
	c.eachNamed(c.noted, rest, func(chunks []chunk.Chunk) {
		index.Note(chunk.File{Path: path, Chunks: chunks})
	})
	f := chunk.File{Path: path, Size: c.entry.Size, ModTime: c.entry.ModTime, Chunks: c.named(rest, count)}
	if len(f.Chunks) > 0 || count > 1 || c.noted > 0 {
		index.Note(f)
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
	if ok = i < c.segments.count; ok {
		var err error
		s, err = c.segment(i)
		ok = err == nil
	}
	c.b.mu.Unlock()
	switch {
	case !ok:
	case !s.came || !s.named:
		s.length = 0
	case s.bytes != nil:
		copyAt(buf[:s.length], s.bytes, 0)
	case readFull(written, buf[:s.length], s.start) != nil:
		s.length = 0
	}
	return s, ok
}
