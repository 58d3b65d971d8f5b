package local

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// match compares two files of equal size, byte by byte, with the very bytes
// that are hashed.
type match struct {
	ctx     context.Context
	source  tree.Content
	replica *at.File
	size    int64
	hash    bool
	read    func(bytes int64) // may be nil

	bytes atomic.Int64 // read on both sides together
}

// run reports whether the files are equal, and then the digest of the content
// if it was asked for. It stops at the first difference. Errors:
// [tree.ErrChanged] when the source became shorter; a replica that did so is
// unequal.
func (m *match) run() (equal bool, d tree.Digest, err error) {
	if m.size <= piece {
		a := buffers.Get().(*[piece]byte)
		defer buffers.Put(a)
		b := buffers.Get().(*[piece]byte)
		defer buffers.Put(b)
		if equal, err = m.pair(a[:m.size], b[:m.size], 0); equal && m.hash {
			d = tree.HashContent(a[:m.size])
		}
		return equal, d, err
	}
	return m.large()
}

// Files of more than one block are compared by several goroutines, a window of
// blocks at a time: no more than that is read in vain when they differ.
const (
	windowBlocks = 32
	maxReaders   = 4
)

// block is one piece of both files.
type block struct {
	offset              int64
	n                   int
	noSource, noReplica bool // one hole there
	hash                tree.Digest
}

// large compares files of more than one block.
func (m *match) large() (equal bool, d tree.Digest, err error) {
	var h tree.ContentHash
	inSource, inReplica := holes{of: m.source}, holes{of: m.replica}
	blocks := make([]block, 0, windowBlocks)
	for offset := int64(0); offset < m.size; {
		for blocks = blocks[:0]; len(blocks) < windowBlocks && offset < m.size; offset += piece {
			k := block{offset: offset, n: int(min(piece, m.size-offset))}
			if k.noSource, err = inSource.at(offset, int64(k.n)); err != nil {
				return false, d, err
			}
			if k.noReplica, err = inReplica.at(offset, int64(k.n)); err != nil {
				return false, d, err
			}
			blocks = append(blocks, k)
		}
		if equal, err := m.window(blocks); !equal || err != nil {
			return false, d, err
		}
		for i := range blocks {
			if k := &blocks[i]; k.noSource || k.noReplica {
				h.Zeros(int64(k.n))
			} else {
				h.Block(k.hash, k.n)
			}
		}
	}
	if m.hash {
		d = h.Sum()
	}
	return true, d, nil
}

// window compares blocks side by side, if the source is a file of this machine:
// another content serves one reader at a time.
func (m *match) window(blocks []block) (bool, error) {
	readers := 1
	if fileBehind(m.source) != nil {
		readers = min(runtime.NumCPU(), maxReaders, len(blocks))
	}
	var next atomic.Int64
	var differs atomic.Bool
	errs := make([]error, readers)
	read := func(reader int) {
		a := buffers.Get().(*[piece]byte)
		defer buffers.Put(a)
		b := buffers.Get().(*[piece]byte)
		defer buffers.Put(b)
		for !differs.Load() {
			i := int(next.Add(1)) - 1
			if i >= len(blocks) {
				return
			}
			equal, err := m.block(&blocks[i], a, b)
			if !equal || err != nil {
				differs.Store(true)
				errs[reader] = err
			}
		}
	}
	var others sync.WaitGroup
	for reader := 1; reader < readers; reader++ {
		others.Go(func() { read(reader) })
	}
	read(0)
	others.Wait()
	return !differs.Load(), errors.Join(errs...)
}

// block compares one block and hashes it, if that was asked for.
func (m *match) block(k *block, a, b *[piece]byte) (equal bool, err error) {
	if err := m.ctx.Err(); err != nil {
		return false, err
	}
	switch {
	case k.noSource && k.noReplica:
		return true, nil
	case k.noSource:
		return m.zeros(m.replica, b[:k.n], k.offset)
	case k.noReplica:
		return m.zeros(m.source, a[:k.n], k.offset)
	}
	equal, err = m.pair(a[:k.n], b[:k.n], k.offset)
	if equal && m.hash {
		k.hash = tree.HashBlock(a[:k.n])
	}
	return equal, err
}

// pair reads and compares one piece of both.
func (m *match) pair(a, b []byte, offset int64) (bool, error) {
	if len(a) == 0 {
		return true, nil
	}
	if err := readAll(m.source, a, offset); err != nil {
		return false, err
	}
	err := readAll(m.replica, b, offset)
	m.count(2 * len(a))
	if errors.Is(err, tree.ErrChanged) {
		return false, nil
	}
	return err == nil && bytes.Equal(a, b), err
}

// zeros reads one piece of the side that has no hole there.
func (m *match) zeros(of interface {
	ReadAt([]byte, int64) (int, error)
}, buf []byte, offset int64) (bool, error) {
	err := readAll(of, buf, offset)
	m.count(len(buf))
	if errors.Is(err, tree.ErrChanged) && of == m.replica {
		return false, nil
	}
	return err == nil && allZero(buf), err
}

func (m *match) count(n int) {
	m.bytes.Add(int64(n))
	if m.read != nil {
		m.read(int64(n))
	}
}
