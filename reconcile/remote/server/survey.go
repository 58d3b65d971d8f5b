package server

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Bounds of a survey.
const (
	// gather is how long a record waits for others, so that a message has
	// many.
	gather = 10 * time.Millisecond
	// maxRecords go into one message.
	maxRecords = 2048
	// maxKept is how many entries a survey keeps with their digests, for a
	// client that asks which of them differ: some 5 MB.
	maxKept = 50_000
)

// version is a version of a file, and the digest of its content.
type version struct {
	id                  tree.ID
	size                int64
	modTime, changeTime tree.Time
	digest              tree.Digest
}

// is reports whether e is the file and still that version; see [tree.Entry.Same].
func (v *version) is(e *tree.Entry) bool {
	return v.id == e.ID && e.Kind == tree.File && v.size == e.Size && v.modTime == e.ModTime && v.changeTime == e.ChangeTime
}

// survey is one walk through the whole replica.
type survey struct {
	x      *session
	id     uint64
	method tree.Method
	traits tree.Traits
	found  chan told

	// Guarded by mu.
	mu      sync.Mutex
	changed *sync.Cond
	pending []tree.Path
	active  int
	stopped bool
	kept    map[tree.Path][]version
	order   []tree.Path
	entries int
}

// told is what the client hears of one folder.
type told struct {
	record wire.FolderRecord
	read   int64
	linked []*wire.LinkedEntry
}

// methodOf returns how contents are to be compared that are asked for, or not,
// and of which what is remembered will do, or not.
func methodOf(contents, cached bool) tree.Method {
	switch {
	case !contents:
		return tree.ByMetadata
	case cached:
		return tree.ByCache
	}
	return tree.ByContent
}

// Survey digests every folder of the replica.
func (x *session) Survey(r *wire.SurveyRequest, stream grpc.ServerStreamingServer[wire.SurveyReply]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	s := &survey{
		x: x, method: methodOf(r.Contents, r.Cached), traits: x.folder.Replica.Traits(), found: make(chan told, maxRecords),
		pending: []tree.Path{tree.Root}, kept: map[tree.Path][]version{},
	}
	s.changed = sync.NewCond(&s.mu)
	x.mu.Lock()
	x.surveys++
	s.id = x.surveys
	x.survey = s
	x.mu.Unlock()
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()

	var walkers sync.WaitGroup
	for range max(runtime.NumCPU(), 2) {
		walkers.Go(func() { s.walk(ctx) })
	}
	go func() { // ends with the walkers, which end with ctx
		walkers.Wait()
		close(s.found)
	}()
	count, err := s.send(stream)
	cancel()
	for range s.found { // until the walkers have ended
	}
	if err != nil {
		return err
	}
	if err := stream.Context().Err(); err != nil {
		return err
	}
	return stream.Send(&wire.SurveyReply{Survey: s.id, Complete: true, Count: count})
}

// send tells of folders as they are found, several at a time.
func (s *survey) send(stream grpc.ServerStreamingServer[wire.SurveyReply]) (count uint64, err error) {
	for first := range s.found {
		reply := &wire.SurveyReply{Survey: s.id, Folders: first.record.Append(nil), Read: []int64{first.read}, Linked: first.linked}
		wait := time.NewTimer(gather)
		n, size := uint64(1), 0
	more:
		for n < maxRecords && size < wire.MaxPiece {
			select {
			case next, ok := <-s.found:
				if !ok {
					break more
				}
				reply.Folders = next.record.Append(reply.Folders)
				reply.Read = append(reply.Read, next.read)
				reply.Linked = append(reply.Linked, next.linked...)
				size += 64 * len(next.linked)
				n++
			case <-wait.C:
				break more
			}
		}
		wait.Stop()
		if err := s.sendPart(stream, reply); err != nil {
			return count, err
		}
		count += n
	}
	return count, nil
}

// sendPart sends a message, and what it has too much of in others first.
func (s *survey) sendPart(stream grpc.ServerStreamingServer[wire.SurveyReply], reply *wire.SurveyReply) error {
	const part = 2048
	for len(reply.Linked) > part {
		if err := stream.Send(&wire.SurveyReply{Survey: s.id, Linked: reply.Linked[:part]}); err != nil {
			return err
		}
		reply.Linked = reply.Linked[part:]
	}
	return stream.Send(reply)
}

func (s *survey) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}

// walk digests folders until none is left. The last one found comes next, as
// the client's pass has it.
func (s *survey) walk(ctx context.Context) {
	for {
		s.mu.Lock()
		for len(s.pending) == 0 && s.active > 0 && !s.stopped {
			s.changed.Wait()
		}
		if len(s.pending) == 0 || s.stopped {
			s.mu.Unlock()
			return
		}
		last := len(s.pending) - 1
		path := s.pending[last]
		s.pending = s.pending[:last]
		s.active++
		s.mu.Unlock()

		t, below := s.digest(ctx, path)
		if ctx.Err() == nil {
			s.found <- t
		}
		s.mu.Lock()
		s.pending = append(s.pending, below...)
		s.active--
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// digest inspects one folder.
func (s *survey) digest(ctx context.Context, path tree.Path) (t told, below []tree.Path) {
	room := listRooms.Get().(*listRoom)
	defer room.giveBack()
	f := &room.folder
	f.Begin(&s.traits, path)
	l, err := s.x.inspect(ctx, path, s.method, nil, room)
	if err != nil {
		f.Flaw()
		t.record = f.Record()
		return t, nil
	}
	key := wire.KeyOf(path)
	for i, leaf := range s.leaves(l, room) {
		e := &l.entries[i]
		if e.err != nil {
			f.Flaw()
		}
		f.Shape(&e.entry)
		f.Add(&e.entry, &leaf, wire.Held)
		if e.entry.Kind == tree.Folder && !e.entry.Mounted && e.err == nil {
			below = append(below, path.Join(e.entry.Name))
		}
		if e.entry.Several() {
			t.linked = append(t.linked, &wire.LinkedEntry{
				Folder: key.Number(), Name: []byte(e.entry.Name), Kind: uint32(e.entry.Kind),
				Dev: e.entry.ID.Dev, Ino: e.entry.ID.Ino, Links: e.entry.Links,
			})
		}
	}
	t.record, t.read = f.Record(), l.read
	s.keep(path, l)
	return t, below
}

// leaves returns the leaf digest of each entry.
func (s *survey) leaves(l listing, room *listRoom) []tree.Digest {
	room.leaves = slices.Grow(room.leaves[:0], len(l.entries))[:len(l.entries)]
	for i := range l.entries {
		e := &l.entries[i]
		room.short.Leaf(&s.traits, &e.entry, e.digest, &room.leaves[i])
	}
	room.short.Flush()
	return room.leaves
}

// keep remembers what is known of files for the client to ask for; the oldest
// go first. Files that no number tells apart are not remembered.
func (s *survey) keep(path tree.Path, l listing) {
	if s.method == tree.ByMetadata || len(l.entries) > maxKept {
		return
	}
	versions := make([]version, 0, len(l.entries))
	for i := range l.entries {
		if e := &l.entries[i].entry; e.Kind == tree.File && e.ID != (tree.ID{}) && !l.entries[i].digest.IsZero() {
			versions = append(versions, version{e.ID, e.Size, e.ModTime, e.ChangeTime, l.entries[i].digest})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[path] = versions
	s.order = append(s.order, path)
	s.entries += len(versions) + 1
	for s.entries > maxKept {
		oldest := s.order[0]
		s.order = s.order[1:]
		if old, ok := s.kept[oldest]; ok {
			s.entries -= len(old) + 1
			delete(s.kept, oldest)
		}
	}
}

// kept returns what the current survey has of a folder, once, if it went about
// it by that method.
func (x *session) kept(id uint64, path tree.Path, method tree.Method) []version {
	x.mu.Lock()
	s := x.survey
	x.mu.Unlock()
	if s == nil || s.id != id || s.method != method {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	versions, ok := s.kept[path]
	if ok {
		delete(s.kept, path)
		s.entries -= len(versions) + 1
	}
	return versions
}
