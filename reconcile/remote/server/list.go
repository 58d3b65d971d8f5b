package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

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

// size is how long it is on the wire.
func (l listing) size() (n int64) {
	for i := range l.entries {
		n += int64(wire.ListedSize(l.entries[i].entry, l.entries[i].err))
	}
	return n
}

// inspection reads the entries of one folder. One goroutine.
type inspection struct {
	x      *session
	ctx    context.Context
	path   tree.Path
	folder tree.SourceFolder
	method tree.Method
	known  map[tree.ID]*version
	cache  tree.CachedFolder // nil for none
	// indexed asks the index when the first file is read.
	indexed func() chunk.Versions
	file    counting
	room    *listRoom
}

// listRoom is what one inspection after the other needs, and holds its listing.
type listRoom struct {
	short   tree.ShortContents
	names   []tree.Entry
	entries []listed
	leaves  []tree.Digest
	folder  wire.Folder
	file    tree.Content // the one before, which is closed
}

var listRooms = sync.Pool{New: func() any { return new(listRoom) }}

func (r *listRoom) giveBack() {
	clear(r.names) // they hold on to the text that they share
	clear(r.entries)
	listRooms.Put(r)
}

// inspect lists the folder at path: but by metadata its files are opened and
// digested, and everything else is looked at. A digest in known will do for a
// version that is still the same. The listing is there until room is given back.
func (x *session) inspect(ctx context.Context, path tree.Path, method tree.Method, known []version, room *listRoom) (l listing, err error) {
	folder, err := x.folder.Reader.Folder(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	defer folder.Close()
	names, err := folder.Names(room.names)
	if errors.Is(err, fs.ErrNotExist) { // it went after it was opened
		return l, nil
	}
	if err != nil {
		return l, err
	}
	room.names = names
	i := &inspection{
		x: x, ctx: ctx, path: path, folder: folder, method: method, file: counting{ctx: ctx}, room: room,
		indexed: sync.OnceValue(func() chunk.Versions { return x.folder.Index.Versions(path, names) }),
	}
	defer room.short.Flush()
	if method == tree.ByCache && x.folder.Cache != nil {
		i.cache = x.folder.Cache.Folder(path)
	}
	if known != nil {
		i.known = make(map[tree.ID]*version, len(known))
		for n := range known {
			i.known[known[n].id] = &known[n]
		}
	}
	room.entries = slices.Grow(room.entries[:0], len(names))[:len(names)]
	l.entries = room.entries // which stay where they are: digests come later
	there := 0
	for n := range names {
		if err := ctx.Err(); err != nil {
			return listing{}, err
		}
		one := &l.entries[there]
		one.entry, one.digest, one.err = names[n], tree.Digest{}, nil
		if i.read(n, one); one.entry.Kind != tree.Absent || one.err != nil {
			there++
		}
	}
	l.entries = l.entries[:there]
	if i.cache != nil {
		i.cache.Keep()
	}
	l.read = i.file.bytes
	return l, nil
}

// read completes what is known of the name at place n: an absent entry of one
// that has gone.
func (i *inspection) read(n int, e *listed) {
	name := e.entry.Name
	if e.entry.Kind != tree.File || i.method == tree.ByMetadata || i.cache != nil {
		e.look(i.folder, name)
	}
	if e.entry.Kind != tree.File || i.method == tree.ByMetadata {
		return
	}
	if i.cache != nil {
		var known bool
		if e.digest, known = i.cache.Digest(e.entry); known {
			return
		}
	}
	if err := i.digest(n, e); err != nil {
		e.look(i.folder, name) // what it is may be known all the same
		if e.err == nil && e.entry.Kind != tree.Absent {
			e.err = err
		}
	}
}

// look says what stands at name: nothing, if it is gone.
func (e *listed) look(folder tree.SourceFolder, name string) {
	found, err := folder.Look(name)
	if err != nil {
		found = tree.Entry{Name: name}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	*e = listed{entry: found, err: err}
}

// digest reads one file, and remembers its chunks unless they are known.
func (i *inspection) digest(n int, e *listed) error {
	name, begun := e.entry.Name, time.Time{}
	if i.cache != nil {
		begun = time.Now()
	}
	c, err := tree.OpenIn(i.folder, name, i.room.file)
	if err != nil {
		return err
	}
	defer c.Close()
	i.room.file = c
	e.entry = c.Entry()
	entry := &e.entry
	if k := i.known[entry.ID]; k != nil && k.is(entry) {
		e.digest = k.digest
		return nil
	}
	i.file.Content = c
	switch known := entry.Size < chunk.Least || i.indexed().Knows(n, *entry); {
	case !known:
		file := chunk.File{Path: i.path.Join(name), Size: entry.Size, ModTime: entry.ModTime}
		early := func(chunks []chunk.Chunk) { i.x.folder.Index.Note(chunk.File{Path: file.Path, Chunks: chunks}) }
		if e.digest, file.Chunks, err = chunk.Survey(i.ctx, &i.file, entry.Size, early); err == nil {
			i.x.folder.Index.Note(file)
		}
	case i.cache != nil:
		e.digest, err = chunk.Digest(i.ctx, &i.file, entry.Size)
	default:
		err = chunk.DigestSoon(i.ctx, &i.file, entry.Size, &i.room.short, &e.digest)
	}
	if errors.Is(err, tree.ErrChanged) {
		err = fmt.Errorf("read: %w", tree.ErrConflict)
	}
	if err != nil {
		return err
	}
	if i.cache != nil {
		i.cache.Note(*entry, e.digest, begun)
	}
	return nil
}

// counting counts what is read of contents, and stops when ctx ends.
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
	method := methodOf(r.Contents, r.Cached)
	room := listRooms.Get().(*listRoom)
	defer room.giveBack()
	known := x.kept(r.Survey, path, method)
	l, err := x.inspect(stream.Context(), path, method, known, room)
	if err == nil && l.size() > wire.MaxListing {
		err = fmt.Errorf("list: %d entries are too many for one folder of a remote replica", len(l.entries))
	}
	if err != nil {
		e := &wire.Listed{Error: wire.FromError(err)}
		return stream.Send(&wire.ListReply{Entries: []*wire.Listed{e}, Complete: true, Count: 1})
	}
	reply, size := &wire.ListReply{}, 0
	for _, e := range l.entries {
		m := &wire.Listed{Entry: wire.FromEntry(e.entry), Error: wire.FromError(e.err)}
		if !e.digest.IsZero() {
			m.Digest = bytes.Clone(e.digest[:])
		}
		if size += wire.ListedSize(e.entry, e.err); size > wire.MaxPiece && len(reply.Entries) > 0 {
			if err := x.hearing(func() error { return stream.Send(reply) }); err != nil {
				return err
			}
			reply, size = &wire.ListReply{}, wire.ListedSize(e.entry, e.err)
		}
		reply.Entries = append(reply.Entries, m)
	}
	reply.Complete, reply.Count, reply.Bytes = true, uint64(len(l.entries)), l.read
	return x.hearing(func() error { return stream.Send(reply) })
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
