package client

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// How far a survey may be ahead, in records, and entries with several names,
// that no comparison has taken.
const (
	// surveyAhead is where it waits until somebody waits for it.
	surveyAhead = 1 << 16
	// surveyMost is where it is given up, some 70 MB of records: the folders
	// that it has not told of are listed.
	surveyMost = 1 << 19
)

// errSurveyAhead: it was given up, and what it told is still good.
var errSurveyAhead = errors.New("the survey is too far ahead")

// survey is what the server tells of all its folders while a pass goes on. It
// begins when the root is compared, so that no folder below costs a round
// trip: the server digests at its own pace and tells; the client asks only for
// folders that differ.
type survey struct {
	l      *link
	method tree.Method
	cancel context.CancelFunc

	// Guarded by mu.
	mu       sync.Mutex
	changed  *sync.Cond
	id       uint64
	folders  map[wire.FolderKey]*toldFolder
	absent   map[tree.Path]struct{}
	complete bool
	err      error
	left     int // records that were not used
	held     int // how far it is ahead
	awaiting int // comparisons that wait for more
}

// toldFolder is a record, which is good for one comparison.
type toldFolder struct {
	record wire.FolderRecord
	read   int64 // bytes of content that the server read for it, if it tells
	used   bool
	linked []tree.Entry // names, identities and numbers of links
}

// begin starts a survey, and ends the one before.
func (r *Replica) begin(l *link, method tree.Method) (*survey, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	stream, err := l.tree.Survey(ctx, &wire.SurveyRequest{Contents: method != tree.ByMetadata, Cached: method == tree.ByCache})
	if err != nil {
		cancel()
		return nil, err
	}
	s := &survey{
		l: l, method: method, cancel: cancel,
		folders: map[wire.FolderKey]*toldFolder{}, absent: map[tree.Path]struct{}{},
	}
	s.changed = sync.NewCond(&s.mu)
	r.mu.Lock()
	old := r.survey
	r.survey = s
	r.mu.Unlock()
	if old != nil {
		old.cancel()
	}
	r.readers.Go(func() { // ends with the stream: at its end, by cancel, with the link, with Close
		defer cancel()
		err := s.receive(stream)
		if err != nil && !errors.Is(err, errSurveyAhead) {
			err = l.failed(ctx, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err, s.complete = err, err == nil
		s.changed.Broadcast()
	})
	return s, nil
}

// surveyFor returns the survey that tells of the subject's folder; nil when
// the server has to be asked.
func (r *Replica) surveyFor(l *link, s tree.Subject) (*survey, error) {
	if s.Alone {
		return nil, nil // what it tells is for another one, and may be out of date
	}
	if r.traits.Names.Folds {
		return nil, nil // what it tells of folders goes by other names, maybe
	}
	if s.Path == tree.Root {
		return r.begin(l, s.Method)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.survey == nil || r.survey.l != l || r.survey.method != s.Method {
		return nil, nil
	}
	return r.survey, nil
}

func (s *survey) receive(stream grpc.ServerStreamingClient[wire.SurveyReply]) error {
	stop := context.AfterFunc(stream.Context(), s.wake)
	defer stop()
	count := uint64(0)
	for {
		if err := s.room(stream.Context()); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err == io.EOF {
			return lies("a survey without an end")
		}
		if err != nil {
			return err
		}
		if len(reply.Folders)+len(reply.Linked) == 0 && !reply.Complete {
			return errSilent
		}
		if len(reply.Folders)%wire.FolderRecordSize != 0 {
			return lies("a record of a folder is cut off")
		}
		told := len(reply.Folders) / wire.FolderRecordSize
		if len(reply.Read) != 0 && len(reply.Read) != told {
			return lies("%d folders are told of, and what was read of %d", told, len(reply.Read))
		}
		count += uint64(told)
		if err := s.take(reply); err != nil {
			return err
		}
		if reply.Complete {
			if reply.Count != count {
				return lies("%d folders were announced, %d told of", reply.Count, count)
			}
			return nil
		}
	}
}

// room returns when more may come, or ctx ends. While nothing is received the
// server waits, for what is under way to the client is bounded.
func (s *survey) room(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.held >= surveyAhead && s.awaiting == 0 && ctx.Err() == nil {
		s.changed.Wait()
	}
	if s.held >= surveyMost {
		return errSurveyAhead
	}
	return nil
}

func (s *survey) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *survey) take(reply *wire.SurveyReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = reply.Survey
	get := func(key wire.FolderKey) *toldFolder {
		f := s.folders[key]
		if f == nil {
			f = &toldFolder{}
			s.folders[key] = f
		}
		return f
	}
	s.held += len(reply.Linked) + len(reply.Folders)/wire.FolderRecordSize
	// Entries with several names come before, or with, the record of their folder.
	for _, m := range reply.Linked {
		if err := tree.CheckName(string(m.Name)); err != nil {
			return lies("%v", err)
		}
		if m.Kind > uint32(tree.Socket) {
			return lies("an entry of kind %d", m.Kind)
		}
		f := get(wire.ToFolderKey(m.Folder))
		f.linked = append(f.linked, tree.Entry{
			Name: string(m.Name), Kind: tree.Kind(m.Kind), ID: tree.ID{Dev: m.Dev, Ino: m.Ino}, Links: m.Links,
		})
	}
	for i := range len(reply.Folders) / wire.FolderRecordSize {
		record := wire.ToFolderRecord(reply.Folders[i*wire.FolderRecordSize:])
		f := get(record.Key)
		if f.record != (wire.FolderRecord{}) { // the keys of two folders are the same: both are asked for
			if !f.used {
				f.used, f.linked = true, nil
				s.left--
			}
			continue
		}
		f.record = record
		if len(reply.Read) > 0 {
			if f.read = reply.Read[i]; f.read < 0 {
				return lies("%d bytes of a folder were read", f.read)
			}
		}
		s.left++
	}
	s.changed.Broadcast()
	return nil
}

// knowledge is what a survey knows of a folder.
type knowledge uint8

const (
	// unknown: ask the server.
	unknown knowledge = iota
	// told: there is a record.
	told
	// missing: the server has no such folder.
	missing
)

// await waits until the survey has told of the folder at path, and hands its
// record out.
func (s *survey) await(ctx context.Context, path tree.Path) (toldFolder, knowledge, error) {
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	key := wire.KeyOf(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.absent[path]; known {
		delete(s.absent, path)
		return toldFolder{}, missing, nil
	}
	s.awaiting++
	defer func() { s.awaiting-- }()
	if s.held >= surveyAhead {
		s.changed.Broadcast()
	}
	for {
		f := s.folders[key]
		switch {
		case ctx.Err() != nil:
			return toldFolder{}, unknown, ctx.Err()
		case f != nil && f.used:
			return toldFolder{}, unknown, nil
		case f != nil && f.record != (wire.FolderRecord{}):
			taken := *f
			f.used, f.linked = true, nil
			s.left--
			s.held -= 1 + len(taken.linked)
			return taken, told, nil
		case errors.Is(s.err, errSurveyAhead):
			return toldFolder{}, unknown, nil
		case s.err != nil:
			return toldFolder{}, unknown, s.err
		case s.complete:
			return toldFolder{}, missing, nil
		}
		s.changed.Wait()
	}
}

// lacks notes that the server has no folders there, so that nobody waits for
// them to be told of.
func (s *survey) lacks(folders []tree.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range folders {
		s.absent[path] = struct{}{}
	}
}

// forget drops the survey when all of it was used.
func (r *Replica) forget(s *survey) {
	s.mu.Lock()
	done := s.complete && s.left == 0 && len(s.absent) == 0
	s.mu.Unlock()
	if !done {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.survey == s {
		r.survey = nil
	}
}
