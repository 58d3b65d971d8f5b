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

// stripe is how much of each file is read at once: few enough bytes that they
// are compared and hashed while the processor's cache still has them, and so
// many that system calls do not count.
const stripe = 128 << 10

// room is what one reader needs to compare.
type room struct {
	a, b [stripe]byte
	hash tree.ContentHash

	// Of one who compares a folder.
	comparison comparison
	short      tree.ShortFiles
}

var rooms = sync.Pool{New: func() any { return new(room) }}

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
	told  int64        // of them
}

// tellAfter is how much is read between two calls of match.read: all workers
// count in one place.
const tellAfter = 1 << 20

// tell tells what was read and not told yet.
func (m *match) tell() {
	if n := m.bytes.Load() - m.told; n > 0 && m.read != nil {
		m.told += n
		m.read(n)
	}
}

// run reports whether the files are equal, and then the digest of the content
// if it was asked for. It stops at the first difference. Errors:
// [tree.ErrChanged] when the source became shorter; a replica that did so is
// unequal.
func (m *match) run() (equal bool, d tree.Digest, err error) {
	r := rooms.Get().(*room)
	defer rooms.Put(r)
	return m.in(r)
}

// in is run with a room at hand.
func (m *match) in(r *room) (equal bool, d tree.Digest, err error) {
	if m.size > piece {
		return m.large()
	}
	k := block{n: int(m.size)}
	equal, err = m.pair(&k, r)
	if m.bytes.Load()-m.told >= tellAfter {
		m.tell()
	}
	return equal, k.hash, err
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
		hole, err := m.hole(&inSource, &inReplica, offset)
		if err != nil {
			return false, d, err
		}
		if hole > 0 {
			if m.hash {
				h.Zeros(hole)
			}
			offset += hole
			continue
		}
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
		equal, err := m.window(blocks)
		m.tell()
		if !equal || err != nil {
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

// hole returns how many bytes from offset on are a hole in both files, in whole
// blocks, and no more than is hashed in a few milliseconds.
func (m *match) hole(inSource, inReplica *holes, offset int64) (int64, error) {
	n := min(piece, m.size-offset)
	for _, side := range []*holes{inSource, inReplica} {
		if is, err := side.at(offset, n); !is || err != nil {
			return 0, err
		}
	}
	end := min(inSource.start, inReplica.start, m.size, offset+tree.ZerosAtOnce)
	if end < m.size {
		end -= end % piece
	}
	return end - offset, m.ctx.Err()
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
		r := rooms.Get().(*room)
		defer rooms.Put(r)
		for !differs.Load() {
			i := int(next.Add(1)) - 1
			if i >= len(blocks) {
				return
			}
			equal, err := m.block(&blocks[i], r)
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
func (m *match) block(k *block, r *room) (equal bool, err error) {
	if err := m.ctx.Err(); err != nil {
		return false, err
	}
	switch {
	case k.noSource && k.noReplica:
		return true, nil
	case k.noSource:
		return m.zeros(m.replica, k, r)
	case k.noReplica:
		return m.zeros(m.source, k, r)
	}
	return m.pair(k, r)
}

// pair reads, compares and hashes one block of both.
func (m *match) pair(k *block, r *room) (bool, error) {
	r.hash.Reset()
	for done := 0; done < k.n; {
		n := min(stripe, k.n-done)
		a, b := r.a[:n], r.b[:n]
		offset := k.offset + int64(done)
		if err := readAll(m.source, a, offset); err != nil {
			return false, err
		}
		err := readAll(m.replica, b, offset)
		m.bytes.Add(int64(2 * n))
		if errors.Is(err, tree.ErrChanged) {
			return false, nil
		}
		if err != nil || !bytes.Equal(a, b) {
			return false, err
		}
		switch {
		case !m.hash:
		case n == k.n:
			k.hash = tree.HashBlock(a)
			return true, nil
		default:
			r.hash.Write(a)
		}
		done += n
	}
	if m.hash {
		k.hash = r.hash.Sum()
	}
	return true, nil
}

// zeros reads one block of the side that has no hole there.
func (m *match) zeros(of interface {
	ReadAt([]byte, int64) (int, error)
}, k *block, r *room) (bool, error) {
	for done := 0; done < k.n; {
		buf := r.a[:min(stripe, k.n-done)]
		err := readAll(of, buf, k.offset+int64(done))
		m.bytes.Add(int64(len(buf)))
		if errors.Is(err, tree.ErrChanged) && of == m.replica {
			return false, nil
		}
		if err != nil || !allZero(buf) {
			return false, err
		}
		done += len(buf)
	}
	return true, nil
}
