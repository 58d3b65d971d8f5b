package client

import (
	"errors"
	"time"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/tree"
)

// always says that a file's content is to be read, small that it is if that
// may be in vain.
func always(*tree.Entry) bool  { return true }
func small(e *tree.Entry) bool { return e.Size <= tree.ContentBlock }

// read reads entry i of the source; the content, once, if contents says so of
// what was opened. The digest may be there only once those of short contents are
// made.
func (c *comparison) read(i int, contents func(*tree.Entry) bool) *mine {
	m, e := &c.mine[i], &c.s.Entries[i]
	if m.read && !(m.skipped && contents(e)) {
		return m
	}
	m.read = true
	switch {
	case e.Kind != tree.File:
		m.want = *e
	case c.s.Method == tree.ByMetadata:
		m.want, m.err = c.s.Folder.Look(e.Name)
	case !c.remembered(e.Name, m):
		m.err = c.open(e.Name, m, contents)
	}
	if m.err == nil {
		*e = m.want
	} else {
		m.want = *e
	}
	c.project(m)
	return m
}

// project makes of the source's entry what the replica is to hold for it, and
// counts what it cannot hold.
func (c *comparison) project(m *mine) {
	lost := c.r.traits.ProjectIn(&m.want)
	if lost != 0 && !m.counted {
		for class := range c.out.Lost {
			if lost&(1<<class) != 0 {
				c.out.Lost[class]++
			}
		}
	}
	m.counted = true
}

// remembered looks at a file and reports whether the cache knows the content,
// of which it sets the digest.
func (c *comparison) remembered(name string, m *mine) (known bool) {
	if c.s.Method != tree.ByCache || c.r.o.Cache == nil || m.skipped {
		return false
	}
	if c.cache == nil {
		c.cache = c.r.o.Cache.Folder(c.s.Path)
	}
	var err error
	m.want, err = c.s.Folder.Look(name)
	if err != nil || m.want.Kind != tree.File {
		return false // to open it says why
	}
	m.digest, m.hashed = c.cache.Digest(m.want)
	return m.hashed
}

// open opens a file and digests it if contents says so: openat, fstat and
// flistxattr, then reads, and but for a short file fstat again.
//
// RACE: a short file that gets the bytes of the replica's between fstat and read
// is found equal although its times are newer by then, as if it had changed
// right after the read. Its event, or the next pass, leads here again.
func (c *comparison) open(name string, m *mine, contents func(*tree.Entry) bool) error {
	begun := time.Time{}
	if c.cache != nil {
		begun = time.Now()
	}
	content, err := tree.OpenIn(c.s.Folder, name, c.room.file)
	if err != nil {
		return err
	}
	defer content.Close()
	c.room.file = content
	e := &m.want
	*e = content.Entry()
	e.Name = name
	if m.skipped = !contents(e); m.skipped {
		return nil
	}
	c.content.Content = content
	if c.cache != nil {
		m.digest, err = chunk.Digest(c.ctx, &c.content, e.Size)
	} else {
		err = chunk.DigestSoon(c.ctx, &c.content, e.Size, &c.room.short, &m.digest)
	}
	if err == nil && (e.Size > tree.LongestShort || c.cache != nil) {
		err = content.Changed()
	}
	if errors.Is(err, tree.ErrChanged) {
		m.changed, err = true, nil
	}
	m.hashed = err == nil && !m.changed
	if m.hashed && c.cache != nil {
		c.cache.Note(*e, m.digest, begun)
	}
	return err
}

// counted counts what is read of contents, and stops when the call's context
// ends.
type counted struct {
	tree.Content
	c *comparison
}

// ReadAt reads and counts.
func (k *counted) ReadAt(p []byte, offset int64) (int, error) {
	if err := k.c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := k.Content.ReadAt(p, offset)
	k.c.count(int64(n))
	return n, err
}

// tellAfter is how much is read between two calls of the subject's Read.
const tellAfter = 1 << 20

func (c *comparison) count(n int64) {
	c.out.Bytes += n
	if c.untold += n; c.untold >= tellAfter {
		c.tell()
	}
}

func (c *comparison) tell() {
	if c.s.Read != nil && c.untold > 0 {
		c.s.Read(c.untold)
	}
	c.untold = 0
}
