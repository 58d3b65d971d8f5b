package local

import (
	"bytes"
	"context"
	"errors"

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

	bytes int64 // read on both sides together
}

// run reports whether the files are equal, and then the digest of the content
// if it was asked for. It stops at the first difference. Errors:
// [tree.ErrChanged] when the source became shorter; a replica that did so is
// unequal.
func (m *match) run() (equal bool, d tree.Digest, err error) {
	a := buffers.Get().(*[piece]byte)
	defer buffers.Put(a)
	b := buffers.Get().(*[piece]byte)
	defer buffers.Put(b)
	if m.size <= piece {
		if equal, err = m.pair(a[:m.size], b[:m.size], 0); equal && m.hash {
			d = tree.HashContent(a[:m.size])
		}
		return equal, d, err
	}
	var h tree.ContentHash
	inSource, inReplica := holes{of: m.source}, holes{of: m.replica}
	for offset := int64(0); offset < m.size; offset += piece {
		if err := m.ctx.Err(); err != nil {
			return false, d, err
		}
		n := min(piece, m.size-offset)
		noSource, err := inSource.at(offset, n)
		if err != nil {
			return false, d, err
		}
		noReplica, err := inReplica.at(offset, n)
		if err != nil {
			return false, d, err
		}
		switch {
		case noSource && noReplica:
			equal = true
		case noSource:
			equal, err = m.zeros(m.replica, b[:n], offset)
		case noReplica:
			equal, err = m.zeros(m.source, a[:n], offset)
		default:
			equal, err = m.pair(a[:n], b[:n], offset)
		}
		if !equal || err != nil {
			return false, d, err
		}
		switch {
		case !m.hash:
		case noSource || noReplica:
			h.Zeros(n)
		default:
			h.Write(a[:n])
		}
	}
	if m.hash {
		d = h.Sum()
	}
	return true, d, nil
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
	m.bytes += int64(n)
	if m.read != nil {
		m.read(int64(n))
	}
}
