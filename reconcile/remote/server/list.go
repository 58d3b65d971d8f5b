package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"google.golang.org/grpc"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// listed is one entry of the replica.
type listed struct {
	entry  tree.Entry
	digest tree.Digest // of a file's content, when it was asked for
	err    error
}

// listing is what stands in one folder, sorted by name.
type listing struct {
	entries []listed
	read    int64 // bytes of content
}

// inspect lists the folder at path: its names come from a comparison with
// nothing, so that entries at work are overlooked; their attributes, and by
// contents the digests, from a look at each. known, if not nil, has digests
// that will do for versions that are still the same.
func (x *session) inspect(ctx context.Context, path tree.Path, contents bool, known *listing) (*listing, error) {
	c, err := x.folder.Replica.Compare(ctx, tree.Subject{Path: path, Method: tree.ByMetadata})
	if err != nil {
		return nil, err
	}
	l := &listing{entries: make([]listed, 0, len(c.Drift)+len(c.Problems))}
	for _, d := range c.Drift {
		l.entries = append(l.entries, listed{entry: d.Have})
	}
	for _, p := range c.Problems {
		l.insert(listed{entry: tree.Entry{Name: p.Name, Kind: tree.Absent}, err: p.Err})
	}
	if contents {
		if err := x.readContents(ctx, path, l, known); err != nil {
			return nil, err
		}
	}
	return l, x.complete(ctx, path, l, contents)
}

func (l *listing) insert(e listed) {
	at := len(l.entries)
	for at > 0 && l.entries[at-1].entry.Name > e.entry.Name {
		at--
	}
	l.entries = append(l.entries, listed{})
	copy(l.entries[at+1:], l.entries[at:])
	l.entries[at] = e
}

// complete looks at every entry that was not opened.
func (x *session) complete(ctx context.Context, path tree.Path, l *listing, contents bool) error {
	var paths []tree.Path
	var places []int
	for i, e := range l.entries {
		opened := contents && e.entry.Kind == tree.File && !e.digest.IsZero()
		if !opened && e.entry.Name != "" {
			paths = append(paths, path.Join(e.entry.Name))
			places = append(places, i)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	for i, found := range x.folder.Replica.Look(ctx, paths) {
		e := &l.entries[places[i]]
		switch {
		case found.Err != nil:
			e.err = found.Err
		case found.Entry.Kind != e.entry.Kind && e.err == nil:
			e.err = fmt.Errorf("look: %w", tree.ErrConflict)
		default:
			e.entry = found.Entry
		}
	}
	return ctx.Err()
}

// readContents digests every file of the folder.
func (x *session) readContents(ctx context.Context, path tree.Path, l *listing, known *listing) error {
	var folder tree.SourceFolder
	have := map[string]*listed{}
	if known != nil {
		for i := range known.entries {
			have[known.entries[i].entry.Name] = &known.entries[i]
		}
	}
	for i := range l.entries {
		e := &l.entries[i]
		if e.entry.Kind != tree.File || e.err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if k := have[e.entry.Name]; k != nil && k.entry.Same(e.entry) && !k.digest.IsZero() {
			e.entry, e.digest = k.entry, k.digest
			continue
		}
		if folder == nil {
			var err error
			if folder, err = x.folder.Reader.Folder(path); err != nil {
				return err
			}
			defer folder.Close()
		}
		n, err := x.digestFile(ctx, folder, path, e)
		l.read += n
		if err != nil {
			e.err = err
		}
	}
	return nil
}

// digestFile reads one file, and remembers its chunks unless they are known.
func (x *session) digestFile(ctx context.Context, folder tree.SourceFolder, path tree.Path, e *listed) (int64, error) {
	name := e.entry.Name
	c, err := folder.Open(name)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	entry := c.Entry()
	entry.Name = name
	counted := &counting{Content: c, ctx: ctx}
	index := x.folder.Index
	var digest tree.Digest
	if entry.Size < chunk.Least || index.Knows(path.Join(name), entry) {
		digest, err = chunk.Digest(counted, entry.Size)
	} else {
		file := chunk.File{Path: path.Join(name), Size: entry.Size, ModTime: entry.ModTime}
		if digest, file.Chunks, err = chunk.Survey(counted, entry.Size); err == nil {
			index.Note(file)
		}
	}
	if err == nil {
		err = c.Changed()
	}
	if errors.Is(err, tree.ErrChanged) {
		err = fmt.Errorf("read: %w", tree.ErrConflict)
	}
	if err != nil {
		return counted.bytes, err
	}
	e.entry, e.digest = entry, digest
	return counted.bytes, nil
}

// counting counts what is read of a content, and stops when ctx ends.
type counting struct {
	tree.Content
	ctx   context.Context
	bytes int64
}

// ReadAt reads and counts.
func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.Content.ReadAt(p, offset)
	c.bytes += int64(n)
	return n, err
}

// List tells what stands in one folder.
func (x *session) List(r *wire.ListRequest, stream grpc.ServerStreamingServer[wire.ListReply]) error {
	path, err := wire.ToPath(r.Path)
	if err != nil {
		return invalid("list: %v", err)
	}
	known := x.kept(r.Survey, path)
	l, err := x.inspect(stream.Context(), path, r.Contents, known)
	if err != nil {
		e := &wire.Listed{Error: wire.FromError(err)}
		return stream.Send(&wire.ListReply{Entries: []*wire.Listed{e}, Complete: true, Count: 1})
	}
	reply, size := &wire.ListReply{}, 0
	for _, e := range l.entries {
		m := &wire.Listed{Entry: wire.FromEntry(e.entry), Error: wire.FromError(e.err)}
		if !e.digest.IsZero() {
			m.Digest = e.digest[:]
		}
		if size += roughSize(e.entry) + 32; size > wire.MaxPiece && len(reply.Entries) > 0 {
			if err := stream.Send(reply); err != nil {
				return err
			}
			reply, size = &wire.ListReply{}, roughSize(e.entry)
		}
		reply.Entries = append(reply.Entries, m)
	}
	reply.Complete, reply.Count, reply.Bytes = true, uint64(len(l.entries)), l.read
	return stream.Send(reply)
}

// handles keeps a few files of the replica open for reading.
type handles struct {
	reader tree.Source
	most   int

	mu   sync.Mutex
	open map[tree.Path]tree.Content
}

var errManyHandles = errors.New("too many files are open")

// get opens the file at path, or returns the one that is open.
func (h *handles) get(path tree.Path) (tree.Content, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.open[path]; c != nil {
		return c, nil
	}
	if len(h.open) >= h.most {
		return nil, errManyHandles
	}
	folder, err := h.reader.Folder(path.Parent())
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	c, err := folder.Open(path.Name())
	if err != nil {
		return nil, err
	}
	if h.open == nil {
		h.open = map[tree.Path]tree.Content{}
	}
	h.open[path] = c
	return c, nil
}

// close closes the file at path, if it is open: what is removed takes room
// until then.
func (h *handles) close(path tree.Path) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.open[path]; c != nil {
		c.Close()
		delete(h.open, path)
	}
}

// drop closes all that is open.
func (h *handles) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for path, c := range h.open {
		c.Close()
		delete(h.open, path)
	}
}

// readFull fills buf, or tells why not.
func readFull(r io.ReaderAt, buf []byte, offset int64) error {
	n, err := r.ReadAt(buf, offset)
	if n == len(buf) {
		return nil
	}
	if err == nil || err == io.EOF {
		return fs.ErrNotExist
	}
	return err
}
