package reconcile

import (
	"context"
	"io"
	"sync"
	"time"

	"lockstep/reconcile/tree"
)

// countAfter is how long a pass may take before it is worth counting what it
// has still to compare.
const countAfter = time.Second

// countAhead counts the files and bytes of the source for [Status].
func (p *pass) countAhead(ctx context.Context) {
	wait := time.NewTimer(countAfter)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	var files, bytes int64
	pending := []tree.Path{tree.Root}
	for len(pending) > 0 && ctx.Err() == nil {
		last := len(pending) - 1
		path := pending[last]
		pending = pending[:last]
		for _, e := range list(p.m.source, path) {
			switch e.Kind {
			case tree.File:
				files++
				bytes += e.Size
			case tree.Folder:
				pending = append(pending, path.Join(e.Name))
			}
		}
	}
	if ctx.Err() == nil {
		p.totalFiles.Store(files)
		p.totalBytes.Store(bytes)
	}
}

// list returns what can be listed at path.
func list(source tree.Source, path tree.Path) []tree.Entry {
	f, err := source.Folder(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, err := f.List()
	if err != nil {
		return nil
	}
	return entries
}

// readSize is the piece in which content is read; more is no faster.
const readSize = 1 << 20

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readSize); return &b }}

// readDigest returns the digest of a whole content, read to its end.
func readDigest(c tree.Content) (tree.Digest, error) {
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	var h tree.ContentHash
	for offset := int64(0); ; {
		n, err := c.ReadAt(*buf, offset)
		h.Write((*buf)[:n])
		offset += int64(n)
		if err == io.EOF {
			return h.Sum(), c.Changed()
		}
		if err != nil {
			return tree.Digest{}, err
		}
	}
}
