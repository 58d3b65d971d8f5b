package local

import (
	"errors"
	"fmt"
	"io"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// content is an open file of a [Source].
type content struct {
	f      *at.File // own, or another one
	own    at.File
	folder tree.Path
	entry  tree.Entry
	// unstated: the file has content although it says that it is empty, as
	// files that a kernel makes up do; entry has the size that it was found to
	// have.
	unstated bool
}

func (c *content) path() tree.Path { return c.folder.Join(c.entry.Name) }

// file is the handle itself, for a replica on the same machine.
func (c *content) file() *at.File { return c.f }

// Open calls openat, fstat and flistxattr. Whatever else stands at the name by
// now is opened neither through a symlink nor so that it could block.
//
// RACE: a device node put in the place of a file between the caller's look at
// it and openat is opened, without blocking, and closed at once. Only the
// superuser makes device nodes.
func (f *sourceFolder) Open(name string) (tree.Content, error) { return f.OpenIn(name, nil) }

// OpenIn is Open for [tree.OpenIn].
func (f *sourceFolder) OpenIn(name string, used tree.Content) (tree.Content, error) {
	c := reused(used)
	if err := f.open(name, c); err != nil {
		return nil, err
	}
	return c, nil
}

// reused returns a content that was closed, or another one.
func reused(used tree.Content) *content {
	if c, ok := used.(*content); ok {
		return c
	}
	return new(content)
}

// open is Open into c, for who opens one file after the other.
func (f *sourceFolder) open(name string, c *content) error {
	*c = content{folder: f.path}
	c.f = &c.own
	err := f.d.OpenIn(c.f, name)
	if errors.Is(err, at.ErrNotFile) {
		return fmt.Errorf("open %q: %w", f.path.Join(name), tree.ErrChanged)
	}
	if err != nil {
		return f.failed("open", f.path.Join(name), err)
	}
	c.entry, err = c.f.Entry()
	switch {
	case err != nil:
	case c.entry.Kind != tree.File:
		err = tree.ErrChanged
	default:
		c.entry.Name = name
		c.entry.Xattrs, err = c.f.Xattrs()
	}
	if err == nil && c.entry.Size == 0 {
		err = c.measure()
	}
	if err != nil {
		c.f.Close()
		return fmt.Errorf("open %q: %w", f.path.Join(name), err)
	}
	return nil
}

// measure reads a file that says it is empty to its end. For one that is, that
// is one pread.
func (c *content) measure() error {
	var first [1]byte
	if n, err := c.f.ReadAt(first[:], 0); n == 0 {
		if err == io.EOF {
			err = nil
		}
		return err
	}
	buffer := buffers.Get().(*[piece]byte)
	defer buffers.Put(buffer)
	for c.unstated = true; ; {
		n, err := c.f.ReadAt(buffer[:], c.entry.Size)
		c.entry.Size += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *content) Entry() tree.Entry { return c.entry }

func (c *content) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.f.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read %q: %w", c.path(), err)
	}
	return n, err
}

func (c *content) Data(offset int64) (start, end int64, err error) {
	if c.unstated {
		if offset >= c.entry.Size {
			return 0, 0, io.EOF
		}
		return offset, c.entry.Size, nil
	}
	start, end, err = c.f.Data(offset)
	if err == io.EOF {
		err = c.ended()
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read %q: %w", c.path(), err)
	}
	return start, end, err
}

// ended returns [io.EOF] if the hole up to the end ends where the file did when it
// was opened: of what is beyond its end, the system says the same.
func (c *content) ended() error {
	now, err := c.f.Entry()
	if err == nil && now.Size < c.entry.Size {
		err = fmt.Errorf("%w: it became shorter", tree.ErrChanged)
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// Changed calls fstat and compares identity, size and both times: the time of
// the last change of any kind moves with every write(2), where the grain of
// the file system is fine enough.
func (c *content) Changed() error {
	now, err := c.f.Entry()
	if err != nil {
		return fmt.Errorf("look at %q: %w", c.path(), err)
	}
	if c.unstated {
		now.Size += c.entry.Size // it still says 0, or it has changed
	}
	if !now.Same(c.entry) {
		return fmt.Errorf("read %q: %w", c.path(), tree.ErrChanged)
	}
	return nil
}

func (c *content) Close() error { return c.f.Close() }
