package local

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// span is a range of bytes.
type span struct{ start, end int64 }

// portion is one block of content on its way: data are the ranges in it that
// are no holes.
type portion struct {
	span
	data []span
	hash tree.Digest
}

// inBlocks brings content over, if to is not nil, and returns its digest, if it
// was asked for: that of the very bytes written. Several goroutines do it, each a block at a time,
// for reading, writing and hashing one after the other leaves all but one core
// idle. from serves several readers at once.
func (t *transfer) inBlocks(from io.ReaderAt, ranges *spans, to *at.File) (d tree.Digest, err error) {
	var h tree.ContentHash
	window := make([]portion, 0, windowBlocks)
	for offset := int64(0); offset < t.size; {
		for window = window[:0]; len(window) < windowBlocks && offset < t.size; offset += piece {
			p := portion{span: span{offset, min(offset+piece, t.size)}}
			if p.data, err = ranges.within(p.span); err != nil {
				return d, err
			}
			window = append(window, p)
		}
		if err := t.window(window, from, to); err != nil {
			return d, err
		}
		if to != nil {
			t.wrote(min(offset, t.size))
		}
		if !t.hash {
			continue
		}
		for i := range window {
			p := &window[i]
			if n := p.end - p.start; p.data == nil {
				h.Zeros(n)
			} else {
				h.Block(p.hash, int(n))
			}
		}
	}
	if t.hash {
		d = h.Sum()
	}
	return d, nil
}

// window brings some blocks over side by side.
func (t *transfer) window(blocks []portion, from io.ReaderAt, to *at.File) error {
	carriers := min(runtime.NumCPU(), maxReaders, len(blocks))
	var next atomic.Int64
	var failed atomic.Bool
	errs := make([]error, carriers)
	carry := func(carrier int) {
		buffer := buffers.Get().(*[piece]byte)
		defer buffers.Put(buffer)
		for !failed.Load() {
			i := int(next.Add(1)) - 1
			if i >= len(blocks) {
				return
			}
			if err := t.carry(&blocks[i], buffer, from, to); err != nil {
				errs[carrier] = err
				failed.Store(true)
			}
		}
	}
	var others sync.WaitGroup
	for carrier := 1; carrier < carriers; carrier++ {
		others.Go(func() { carry(carrier) })
	}
	carry(0)
	others.Wait()
	return errors.Join(errs...)
}

// carry brings one block over and hashes it.
func (t *transfer) carry(p *portion, buffer *[piece]byte, from io.ReaderAt, to *at.File) error {
	if err := t.ctx.Err(); err != nil || p.data == nil {
		return err
	}
	block := buffer[:p.end-p.start]
	if len(p.data) > 1 || p.data[0] != p.span {
		clear(block)
	}
	for _, s := range p.data {
		buf := block[s.start-p.start : s.end-p.start]
		if err := readAll(from, buf, s.start); err != nil {
			return err
		}
		if to == nil {
			continue
		}
		if _, err := to.WriteAt(buf, s.start); err != nil {
			return err
		}
	}
	if t.hash {
		p.hash = tree.HashBlock(block)
	}
	return nil
}

// spans tells for ascending blocks of a file which ranges are no holes, at one
// question to the file system for each range.
type spans struct {
	of interface {
		Data(offset int64) (start, end int64, err error)
	}
	known span // the range that was told last; empty at first
	ended bool
}

// within returns the ranges of data inside s; nil for a hole.
func (r *spans) within(s span) (data []span, err error) {
	for at := s.start; at < s.end; at = r.known.end {
		if at >= r.known.end && !r.ended {
			r.known.start, r.known.end, err = r.of.Data(at)
			if err == io.EOF || err == nil && r.known.start >= r.known.end {
				r.ended, err = true, nil
			}
			if err != nil {
				return nil, err
			}
		}
		if r.ended || r.known.start >= s.end {
			return data, nil
		}
		data = append(data, span{max(at, r.known.start), min(s.end, r.known.end)})
	}
	return data, nil
}
