// Package chunk takes contents apart into chunks that stay the same when
// something before or after them changes, and remembers where a replica has
// them: in its files ([Index]) and in what arrived but was not published yet
// ([Spool]). Both are caches. Whoever finds a chunk in them holds its bytes
// against its name before they are used.
package chunk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/blake3"
)

// The sizes of chunks: about 75 KiB on average keeps what is told of a content
// below a thousandth of it, and what a small change costs below half a
// megabyte. What comes before least is not looked at, and normal is what the
// cutter adds to it: as many chunks as of 16 and 64 KiB, found in half the
// time, and cuts that are found again sooner.
const (
	least  = 40 << 10
	normal = 32 << 10
	most   = 256 << 10
)

// Whole is the size up to which a content is one chunk.
const Whole = 64 << 10

// page is the smallest hole that is looked for in a short content. A file system
// with smaller blocks may have smaller ones there, which are filled with zeros.
const page = 4096

// Piece is a stretch of content: a chunk, or a hole.
type Piece struct {
	// Length in bytes. Data has them; it is nil for a hole and belongs to the
	// cutter.
	Length int64
	Data   []byte
}

// Name returns what the chunk is called.
func (p Piece) Name() wire.ChunkID { return wire.ChunkIDOf(blake3.Sum256(p.Data)) }

// MostRoom is the most that is asked of a [Room] at once.
const MostRoom = 2 * most

// Room is where contents are read to. Take returns at least so many bytes,
// which begin with those of begun, a part of what it returned before; the first
// n of them are in use once Kept says so.
type Room interface {
	Take(least int, begun []byte) []byte
	Kept(n int)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, MostRoom); return &b }}

// reused is the room of those who are done with a piece before the next one
// comes.
type reused []byte

func (r reused) Take(_ int, begun []byte) []byte {
	copy(r, begun)
	return r
}

func (r reused) Kept(int) {}

// Cut reads size bytes of a content once, from the beginning to the end, into
// room, and calls emit for each piece. Errors: [tree.ErrChanged] when the
// content is shorter, and what emit returns.
func Cut(c tree.Content, size int64, room Room, emit func(Piece) error) error {
	if size <= Whole {
		buf := room.Take(int(size), nil)[:size]
		room.Kept(len(buf))
		return cutWhole(c, buf, emit)
	}
	k := &cutter{from: c, room: room, emit: emit}
	return eachRange(c, size, emit, k.cut)
}

// cutWhole asks for holes only where there is a page of zeros.
func cutWhole(c tree.Content, buf []byte, emit func(Piece) error) error {
	if len(buf) == 0 {
		return nil
	}
	if n, err := c.ReadAt(buf, 0); n < len(buf) {
		return short(err)
	}
	if !hasZeroPage(buf) {
		return emit(Piece{int64(len(buf)), buf})
	}
	return eachRange(c, int64(len(buf)), emit, func(start, end int64) error {
		return emit(Piece{end - start, buf[start:end]})
	})
}

// eachRange emits the holes of c and calls data for what is between them.
func eachRange(c tree.Content, size int64, emit func(Piece) error, data func(start, end int64) error) error {
	for at := int64(0); at < size; {
		start, end, err := c.Data(at)
		if err == io.EOF {
			start, end, err = size, size, nil
		}
		if err != nil {
			return fmt.Errorf("find data: %w", err)
		}
		start, end = min(max(start, at), size), min(end, size)
		if start > at {
			if err := emit(Piece{Length: start - at}); err != nil {
				return err
			}
		}
		if at = start; start < end {
			if err := data(start, end); err != nil {
				return err
			}
			at = end
		} else if start < size {
			return fmt.Errorf("find data: empty range at %d", start)
		}
	}
	return nil
}

// cutter cuts where the content says so. Another algorithm finds no chunk
// again, and is no error.
type cutter struct {
	from io.ReaderAt
	room Room
	emit func(Piece) error
}

// cut cuts one range of data. Only what is begun of a chunk moves, from the
// end of one stretch of room to the beginning of the next.
func (k *cutter) cut(start, end int64) error {
	buf, have := k.room.Take(MostRoom, nil), 0 // the first bytes of buf are read and not cut
	for start < end || have > 0 {
		n := nextCut(buf[:have])
		if n == have && have < most && start < end { // where it ends is not read yet
			if len(buf) < most {
				buf = k.room.Take(MostRoom, buf[:have])
			}
			n := int(min(int64(len(buf)-have), end-start))
			if got, err := k.from.ReadAt(buf[have:have+n], start); got < n {
				return short(err)
			}
			have, start = have+n, start+int64(n)
			continue
		}
		k.room.Kept(n)
		if err := k.emit(Piece{int64(n), buf[:n]}); err != nil {
			return err
		}
		buf, have = buf[n:], have-n
	}
	return nil
}

func short(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read: %w: it became shorter", tree.ErrChanged)
	}
	return fmt.Errorf("read: %w", err)
}

func hasZeroPage(buf []byte) bool {
	var zeros [page]byte
	for len(buf) > 0 {
		n := min(len(buf), page)
		if buf[0] == 0 && bytes.Equal(buf[:n], zeros[:n]) {
			return true
		}
		buf = buf[n:]
	}
	return false
}

// Least is the size from which a file's content is named. To ask costs 18
// bytes on the wire and a hundred in the index of the server. What is shorter
// is always sent: no more than it costs to tell the file's name and
// attributes.
const Least = 256

// zeros hashes a hole, if ctx goes on for as long.
func zeros(ctx context.Context, h *tree.ContentHash, n int64) error {
	for ; n > 0; n -= tree.ZerosAtOnce {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.Zeros(min(n, tree.ZerosAtOnce))
	}
	return nil
}

// Digest returns the digest of a content and reads no holes.
func Digest(ctx context.Context, c tree.Content, size int64) (tree.Digest, error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if size <= int64(len(*buffer)) {
		buf := (*buffer)[:size]
		if n, err := c.ReadAt(buf, 0); n < len(buf) {
			return tree.Digest{}, short(err)
		}
		return tree.HashContent(buf), nil
	}
	var h tree.ContentHash
	hole := func(p Piece) error { return zeros(ctx, &h, p.Length) }
	err := eachRange(c, size, hole, func(start, end int64) error {
		for start < end {
			// Pieces end where blocks do, as far as the buffer goes.
			n := min(end-start, int64(len(*buffer))-start%int64(len(*buffer)))
			if got, err := c.ReadAt((*buffer)[:n], start); int64(got) < n {
				return short(err)
			}
			h.Write((*buffer)[:n])
			start += n
		}
		return nil
	})
	return h.Sum(), err
}

// DigestSoon has d become the digest of a content: of one that s takes, once s
// is flushed.
func DigestSoon(ctx context.Context, c tree.Content, size int64, s *tree.ShortContents, d *tree.Digest) (err error) {
	if size > tree.LongestTogether {
		*d, err = Digest(ctx, c, size)
		return err
	}
	room := s.Room(int(size))
	if n, err := c.ReadAt(room, 0); n < len(room) {
		return short(err)
	}
	s.Take(len(room), d)
	return nil
}

// surveyAtOnce chunks of a content are handed on together.
const surveyAtOnce = 4096

// Survey returns the digest of a content and its last chunks. part takes those
// before, some at a time, and keeps none of the slices.
func Survey(ctx context.Context, c tree.Content, size int64, part func([]Chunk)) (d tree.Digest, chunks []Chunk, err error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	var h tree.ContentHash
	at := int64(0)
	err = Cut(c, size, reused(*buffer), func(p Piece) error {
		start := at
		at += p.Length
		if p.Data == nil {
			return zeros(ctx, &h, p.Length)
		}
		h.Write(p.Data)
		if len(chunks) == surveyAtOnce {
			part(chunks)
			chunks = chunks[:0]
		}
		chunks = append(chunks, Chunk{p.Name(), start})
		return nil
	})
	return h.Sum(), chunks, err
}
