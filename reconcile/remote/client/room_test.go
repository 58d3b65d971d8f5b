package client

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/tree"
)

// taken is a pool whose blocks are somebody else's as soon as they are free.
type taken struct{ blocks int }

func (p *taken) Get(n int) *[]byte {
	p.blocks++
	b := make([]byte, n)
	return &b
}

func (*taken) Put(b *[]byte) { clear(*b) }

// bytesRead is a content without holes.
type bytesRead struct {
	tree.Content
	*bytes.Reader
}

func (c bytesRead) ReadAt(p []byte, offset int64) (int, error) { return c.Reader.ReadAt(p, offset) }

func (c bytesRead) Data(offset int64) (int64, int64, error) {
	if offset >= c.Size() {
		return 0, 0, io.EOF
	}
	return offset, c.Size(), nil
}

// TestBlockIsKeptForWhatIsBegun: a block of which every chunk was sent is not
// given up before the chunk that begins in it is in the next one.
func TestBlockIsKeptForWhatIsBegun(t *testing.T) {
	content := make([]byte, 8*blockSize)
	rand.NewChaCha8([32]byte{}).Read(content)
	pool := &taken{}
	r := room{blocks: pool}
	defer r.free()
	at := 0
	err := chunk.Cut(bytesRead{Reader: bytes.NewReader(content)}, int64(len(content)), &r, func(p chunk.Piece) error {
		sent := r.slice(p.Data)
		defer sent.Free()
		if end := at + len(p.Data); !bytes.Equal(sent.ReadOnlyData(), content[at:end]) {
			t.Errorf("bytes %d to %d are others", at, end)
		}
		at += len(p.Data)
		return nil
	})
	if err != nil || at != len(content) || pool.blocks < 8 {
		t.Errorf("%d bytes in %d blocks, %v", at, pool.blocks, err)
	}
}
