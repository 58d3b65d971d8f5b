package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// piece is how much is read at once: enough that system calls do not count,
// and the block by which content is hashed.
const piece = tree.ContentBlock

// early is how much is written between two requests to bring it to disk.
const early = 2 << 20

// page is the smallest hole that is looked for in a short content. A file system
// with smaller blocks may have smaller ones there, which are filled with zeros.
const page = 4096

var buffers = sync.Pool{New: func() any { return new([piece]byte) }}

// fileBehind returns the open file of this machine that a content reads.
func fileBehind(c tree.Content) *at.File {
	if c, ok := c.(interface{ file() *at.File }); ok {
		return c.file()
	}
	return nil
}

// readAll fills buf from offset. Content that ends before is [tree.ErrChanged].
func readAll(from io.ReaderAt, buf []byte, offset int64) error {
	n, err := from.ReadAt(buf, offset)
	if n == len(buf) {
		return nil
	}
	if err == nil || err == io.EOF {
		return fmt.Errorf("%w: it became shorter", tree.ErrChanged)
	}
	return err
}

// transfer is one content on its way into a new file.
type transfer struct {
	ctx  context.Context
	from tree.Content
	to   *at.File
	size int64
	hash bool

	// synced: what is written is about to be brought to disk. requested is up
	// to where the system was asked for it.
	synced    bool
	requested int64
}

// run brings size bytes over, holes as holes, and returns their digest if it
// was asked for. Less than size bytes is [tree.ErrChanged].
func (t *transfer) run() (tree.Digest, error) {
	if t.size <= piece {
		return t.small()
	}
	behind := fileBehind(t.from)
	if behind != nil {
		done, err := t.cloned(behind)
		if err != nil {
			return tree.Digest{}, err
		}
		if done {
			return t.digest()
		}
	}
	if err := t.to.Truncate(t.size); err != nil {
		return tree.Digest{}, err
	}
	switch {
	case behind != nil:
		return t.inBlocks(t.from, &spans{of: t.from}, t.to)
	case t.hash:
		return t.hashed()
	}
	return tree.Digest{}, t.eachData(t.plain)
}

// wrote says that all below end is written, and has the system begin to bring
// it to disk: it does so beside what is read and written further on, and the
// sync at the end finds little left.
func (t *transfer) wrote(end int64) {
	if t.synced && end-t.requested >= early {
		t.to.StartSync(t.requested, end-t.requested)
		t.requested = end
	}
}

// small copies what fits into one buffer. Only content that has pages of zeros
// can have holes, so that hardly any file costs the question.
func (t *transfer) small() (d tree.Digest, err error) {
	buffer := buffers.Get().(*[piece]byte)
	defer buffers.Put(buffer)
	buf := buffer[:t.size]
	if t.size > 0 {
		if err := readAll(t.from, buf, 0); err != nil {
			return d, err
		}
	}
	if t.hash {
		d = tree.HashContent(buf)
	}
	if !hasZeroPage(buf) {
		if t.size > 0 {
			_, err = t.to.WriteAt(buf, 0)
		}
		return d, err
	}
	if err := t.to.Truncate(t.size); err != nil {
		return d, err
	}
	return d, t.eachData(func(start, end int64) error {
		_, err := t.to.WriteAt(buf[start:end], start)
		return err
	})
}

func hasZeroPage(buf []byte) bool {
	for len(buf) > 0 {
		n := min(len(buf), page)
		if allZero(buf[:n]) {
			return true
		}
		buf = buf[n:]
	}
	return false
}

// cloned shares all blocks with the file behind the content (FICLONE); false
// when the file system cannot.
func (t *transfer) cloned(behind *at.File) (bool, error) {
	err := t.to.Clone(behind)
	if errors.Is(err, at.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	e, err := t.to.Entry()
	if err != nil {
		return false, err
	}
	if e.Size < t.size {
		return false, fmt.Errorf("%w: it became shorter", tree.ErrChanged)
	}
	if e.Size > t.size {
		err = t.to.Truncate(t.size)
	}
	return err == nil, err
}

// digest hashes what was cloned. It reads the clone, which nobody else writes.
func (t *transfer) digest() (tree.Digest, error) {
	if !t.hash {
		return tree.Digest{}, nil
	}
	return t.inBlocks(t.to, &spans{of: t.to}, nil)
}

// eachData calls f for every range below size that is not a hole.
func (t *transfer) eachData(f func(start, end int64) error) error {
	for offset := int64(0); offset < t.size; {
		start, end, err := t.from.Data(offset)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if end = min(end, t.size); start >= end {
			return nil
		}
		if err := f(start, end); err != nil {
			return err
		}
		offset = end
	}
	return nil
}

// plain copies one range through a buffer.
func (t *transfer) plain(start, end int64) error {
	buffer := buffers.Get().(*[piece]byte)
	defer buffers.Put(buffer)
	for start < end {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		buf := buffer[:min(piece, end-start)]
		if err := readAll(t.from, buf, start); err != nil {
			return err
		}
		if _, err := t.to.WriteAt(buf, start); err != nil {
			return err
		}
		start += int64(len(buf))
		t.wrote(start)
	}
	return nil
}

// hashed copies content that serves one reader at a time, through buffers that
// a second goroutine hashes meanwhile, so that the digest is that of the very
// bytes written.
func (t *transfer) hashed() (tree.Digest, error) {
	pieces := make(chan hashPiece, 2)
	digest := make(chan tree.Digest, 1)
	go func() { // ends when pieces is closed, which the copy does in any case
		var h tree.ContentHash
		for p := range pieces {
			h.Zeros(p.zeros)
			if p.buffer != nil {
				h.Write(p.buffer[:p.n])
				buffers.Put(p.buffer)
			}
		}
		digest <- h.Sum()
	}()
	err := t.feed(pieces)
	close(pieces)
	return <-digest, err
}

// hashPiece is a stretch of zeros and then a buffer, which goes back to its
// pool once it is hashed.
type hashPiece struct {
	zeros  int64
	buffer *[piece]byte
	n      int
}

func (t *transfer) feed(pieces chan<- hashPiece) error {
	at := int64(0)
	hole := func(end int64) error {
		for at < end {
			if err := t.ctx.Err(); err != nil {
				return err
			}
			n := min(end-at, tree.ZerosAtOnce)
			pieces <- hashPiece{zeros: n}
			at += n
		}
		return nil
	}
	err := t.eachData(func(start, end int64) error {
		if err := hole(start); err != nil {
			return err
		}
		for at < end {
			if err := t.ctx.Err(); err != nil {
				return err
			}
			// Pieces end where blocks do: a whole block is hashed at once.
			p := hashPiece{buffer: buffers.Get().(*[piece]byte), n: int(min(end-at, piece-at%piece))}
			err := readAll(t.from, p.buffer[:p.n], at)
			if err == nil {
				_, err = t.to.WriteAt(p.buffer[:p.n], at)
			}
			if err != nil {
				buffers.Put(p.buffer)
				return err
			}
			pieces <- p
			at += int64(p.n)
			t.wrote(at)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return hole(t.size)
}
