package server

import (
	"io"

	"lockstep/reconcile/tree"
)

// account hashes what is read from the beginning on. Reading may begin once
// more, which goes back, and may leave out holes, the first one too.
func (c *arriving) account(part []byte, at int64) {
	if at == 0 || at < c.hashed {
		c.restart()
	}
	if n := int64(len(part)); n == c.entry.Size && n <= tree.ContentBlock {
		if c.hashed = n; !c.early {
			c.whole = tree.HashContent(part)
		}
		return
	}
	if at > c.hashed && c.allHoles(c.hashed, at) {
		c.zeros(at)
	}
	if at == c.hashed {
		c.hash.Write(part)
		c.hashed += int64(len(part))
	}
}

// zeros hashes a hole up to end. One that takes longer is not hashed for a client
// that has gone.
func (c *arriving) zeros(end int64) {
	for begun := false; c.hashed < end && c.b.ctx.Err() == nil && !(begun && c.b.isGone()); begun = true {
		n := min(end-c.hashed, tree.ZerosAtOnce)
		c.hash.Zeros(n)
		c.hashed += n
	}
}

// isGone reports whether the client went before it had said everything.
func (b *batch) isGone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone
}

// restart makes ready to read from the beginning on.
func (c *arriving) restart() {
	c.hash.Reset()
	if c.hashed = 0; !c.early {
		c.whole = tree.Digest{}
	}
}

func (c *arriving) allHoles(start, end int64) bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if end > c.known {
		return false
	}
	i, s, err := c.at(start)
	for err == nil && s.hole && s.start+s.length < end {
		i++
		s, err = c.segment(i)
	}
	return err == nil && s.hole
}

// sum may be asked for more than once, and reading may go on after it.
func (c *arriving) sum() tree.Digest {
	if !c.whole.IsZero() {
		return c.whole
	}
	d := c.hash.Sum()
	c.hash.Reset()
	c.hashed = 0
	return d
}

// rehash reads all data once more.
func (c *arriving) rehash() error {
	c.restart()
	buf := make([]byte, min(c.entry.Size, tree.ContentBlock))
	for at := int64(0); ; {
		start, end, err := c.Data(at)
		if err == io.EOF {
			break
		}
		if err == nil {
			_, err = c.ReadAt(buf[:end-start], start)
		}
		if err != nil {
			return err
		}
		at = end
	}
	c.zeros(c.entry.Size)
	return c.b.ctx.Err()
}
