package server

import (
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc/mem"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/blake3"
)

// search is for the bytes of one segment, which is not among those of its
// content yet. What is found is held against its name; a small content keeps
// the bytes.
type search struct {
	b   *batch
	c   *arriving
	s   *segment
	buf []byte // only for what may be it
}

// is reports whether the chunk is at an offset of r.
func (f *search) is(r io.ReaderAt, offset int64) bool {
	if f.buf == nil {
		f.buf = f.b.scratch(f.c, f.s.length)
	}
	return readFull(r, f.buf, offset) == nil && wire.ChunkIDOf(blake3.Sum256(f.buf)) == f.s.name
}

// found takes the chunk that is says is there.
func (f *search) found(r io.ReaderAt, offset int64) {
	small := f.c.entry.Size <= inMemory
	switch {
	case small && f.b.crowded(): // sent, it waits for its turn
	case small:
		f.s.ready, f.s.bytes = true, mem.BufferSlice{mem.SliceBuffer(f.buf)}
	default:
		f.s.ready, f.s.from, f.s.offset = true, r, offset
	}
}

// find looks for a chunk in the spool, at the same place of the file's old
// version, and where the index last saw it.
func (b *batch) find(c *arriving, s *segment) {
	f, folder := search{b: b, c: c, s: s}, b.x.folder
	if folder.Spool != nil {
		if spooled, offset, ok := folder.Spool.Find(s.name, s.length); ok {
			if slices.Contains(c.sources, spooled) {
				_ = spooled.Release(chunk.Keep) // once is enough
			} else {
				c.sources = append(c.sources, spooled)
			}
			if f.is(spooled, offset) {
				f.found(spooled, offset)
				return
			}
		}
	}
	a := b.actions[c.index]
	if a.Kind == tree.Update && b.inPlace < 4 {
		b.inPlace++
		if old, err := b.source(c, a.Path); err == nil && f.is(old, s.start) {
			b.inPlace = 0
			f.found(old, s.start)
			return
		}
	}
	if place, ok := folder.Index.Find(s.name); ok {
		if other, err := b.source(c, place.Path); err == nil && f.is(other, place.Offset) {
			f.found(other, place.Offset)
		}
	}
}

// findStanding looks for a chunk in a content that was written and is in no
// index yet.
func (b *batch) findStanding(c *arriving, s *segment) {
	b.mu.Lock()
	p, known := b.x.recent.find(s.name)
	b.mu.Unlock()
	if !known || b.crowded() {
		return
	}
	f := search{b: b, c: c, s: s}
	for _, path := range p.c.standing() {
		other, err := b.handle(c, path, p.c.reopen)
		is := err == nil && f.is(other, p.start)
		if p.c.standing() == nil { // it may have been opened too late to be closed
			b.handles.close(path)
			return
		}
		if is {
			f.found(other, p.start)
		}
		if s.ready {
			return
		}
	}
}

// scratch returns room for a chunk: a small content keeps it, for a large one
// it is good until the next chunk.
func (b *batch) scratch(c *arriving, length int64) []byte {
	if c.inMemory() {
		return make([]byte, length)
	}
	if b.reused == nil {
		b.reused = make([]byte, wire.MaxChunk)
	}
	return b.reused[:length]
}

// source opens a file of the replica to take chunks from.
func (b *batch) source(c *arriving, path tree.Path) (io.ReaderAt, error) {
	return b.handle(c, path, nil)
}

// handle opens the file at path, which before it got its name
// could only be opened again. Where all handles are taken by small contents,
// which have what they need, they are given up.
func (b *batch) handle(c *arriving, path tree.Path, again reopening) (io.ReaderAt, error) {
	file, err := b.handles.get(path, again)
	if errors.Is(err, errManyHandles) && c.entry.Size <= inMemory && !b.holdsHandles() {
		b.handles.drop()
		file, err = b.handles.get(path, again)
	}
	return file, err
}

// holdsHandles reports whether a content reads from files of the replica.
func (b *batch) holdsHandles() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.contents {
		if c != nil && c.begun && !c.closed && c.entry.Size > inMemory {
			return true
		}
	}
	return false
}
