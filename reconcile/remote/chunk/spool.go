package chunk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// What a [Spool] keeps of contents that never became complete.
const (
	maxSpool    = 16 << 30
	maxSpoolAge = 7 * 24 * time.Hour
	// maxPlaces chunks of it are found, some 16 MB of memory: as many as that
	// has of the usual size.
	maxPlaces = 1 << 18
)

// The two files of a [Spooled]: the chunks, and their names and lengths.
const (
	dataSuffix = ".data"
	listSuffix = ".list"
	listRecord = 16 + 4
)

// Spool keeps the chunks of large contents while they arrive, so that what
// came before a connection broke is not sent again. It is a folder of its own;
// what is in it may go at any time. Safe for concurrent use.
type Spool struct {
	folder string
	spare  string
	most   int64 // bytes of what nobody uses

	mu     sync.Mutex
	places map[wire.ChunkID]spot
	kept   []*Spooled // those that nobody uses; the one left longest is the first
}

type spot struct {
	in     *Spooled
	offset int64
	length int
}

// Spooled is the chunks of one content, as many as have arrived. Append is for
// one goroutine at a time.
type Spooled struct {
	spool      *Spool
	base       string
	data, list *os.File
	end        int64

	// Guarded by the spool's mu: how many use it, and whether it is to go
	// when nobody does.
	users  int
	doomed bool
}

// OpenSpool opens the spool in a folder, creating it when missing, and finds
// what was left there.
func OpenSpool(folder string) (*Spool, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	names, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{folder: folder, most: maxSpool, places: map[wire.ChunkID]spot{}}
	left := map[*Spooled]time.Time{}
	for _, name := range names {
		if !isSpooled(name.Name(), listSuffix) {
			continue
		}
		base := filepath.Join(folder, strings.TrimSuffix(name.Name(), listSuffix))
		f := &Spooled{spool: s, base: base}
		info, err := os.Stat(base + dataSuffix)
		if err != nil || time.Since(info.ModTime()) > maxSpoolAge {
			_ = f.removeFiles() // what stays is tried again the next time
			continue
		}
		f.end, left[f] = info.Size(), info.ModTime()
	}
	s.kept = slices.SortedFunc(maps.Keys(left), func(a, b *Spooled) int { return left[a].Compare(left[b]) })
	_ = s.shrink() // as above
	for _, f := range s.kept {
		f.recover()
	}
	return s, nil
}

// isSpooled reports whether a spool names its files so: Begin gives them a
// number.
func isSpooled(name, suffix string) bool {
	base, ok := strings.CutSuffix(name, suffix)
	return ok && base != "" && strings.Trim(base, "0123456789") == ""
}

// recover finds the chunks that were left of one content.
func (f *Spooled) recover() {
	list, err := os.Open(f.base + listSuffix)
	if err != nil {
		return
	}
	defer list.Close()
	records := bufio.NewReader(list)
	var record [listRecord]byte
	for at := int64(0); at < f.end; {
		if _, err := io.ReadFull(records, record[:]); err != nil {
			break
		}
		length := int(binary.BigEndian.Uint32(record[16:]))
		if length <= 0 || length > wire.MaxChunk {
			break
		}
		f.spool.note(wire.ChunkID(record[:16]), spot{f, at, length})
		at += int64(length)
	}
}

// note remembers where a chunk is, if that is not too much. The caller holds mu,
// or nobody else knows of s.
func (s *Spool) note(name wire.ChunkID, at spot) {
	if _, known := s.places[name]; known || len(s.places) < maxPlaces {
		s.places[name] = at
	}
}

// Begin makes room for a content. The caller uses it until it calls Release.
func (s *Spool) Begin() (*Spooled, error) {
	list, err := s.create(listSuffix)
	if err != nil {
		return s.beginUnnamed(err)
	}
	f := &Spooled{spool: s, base: strings.TrimSuffix(list.Name(), listSuffix), list: list, users: 1}
	f.data, err = os.OpenFile(f.base+dataSuffix, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		list.Close()
		os.Remove(list.Name())
		return s.beginUnnamed(s.trouble(err, s.folder))
	}
	return f, nil
}

// create makes a file.
func (s *Spool) create(suffix string) (*os.File, error) {
	f, err := os.CreateTemp(s.folder, "*"+suffix)
	if errors.Is(err, fs.ErrNotExist) { // somebody cleared the folder away
		if err = os.MkdirAll(s.folder, 0o700); err == nil {
			f, err = os.CreateTemp(s.folder, "*"+suffix)
		}
	}
	if err != nil {
		return nil, s.trouble(err, s.folder)
	}
	return f, nil
}

// trouble says the same of whichever file of a folder it is: their names are
// drawn, and trouble that is the same again is told once.
func (s *Spool) trouble(err error, folder string) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = &fs.PathError{Op: at.Op, Path: folder, Err: at.Err}
	}
	return fmt.Errorf("spool: %w", err)
}

// Append keeps a chunk and returns where. Where there is no room for it, what is
// kept for other attempts makes room at once, and f when it is released: nobody
// finds a disk full of what may go. See [Spool.Overflow].
func (f *Spooled) Append(name wire.ChunkID, data []byte) (offset int64, err error) {
	if _, err := f.data.WriteAt(data, f.end); err != nil {
		return 0, f.failed(err)
	}
	if f.list != nil {
		record := binary.BigEndian.AppendUint32(append(make([]byte, 0, listRecord), name[:]...), uint32(len(data)))
		if _, err := f.list.Write(record); err != nil {
			return 0, f.failed(err)
		}
	}
	offset = f.end
	f.end += int64(len(data))
	f.spool.mu.Lock()
	f.spool.note(name, spot{f, offset, len(data)})
	f.spool.mu.Unlock()
	return offset, nil
}

// failed says why nothing is kept in f any more.
func (f *Spooled) failed(err error) error {
	s := f.spool
	if f.base == "" {
		return s.trouble(err, s.spare)
	}
	if tree.IsFull(err) {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.doomed = true
		for _, kept := range s.kept {
			_ = s.remove(kept) // what stays is tried again when the spool is opened
		}
		s.kept = nil
	}
	return s.trouble(err, s.folder)
}

// ReadAt reads what was appended.
func (f *Spooled) ReadAt(p []byte, offset int64) (int, error) { return f.data.ReadAt(p, offset) }

// Find returns where a chunk of that length lies. The caller uses what is
// returned until it calls Release.
func (s *Spool) Find(name wire.ChunkID, length int64) (f *Spooled, offset int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place, ok := s.places[name]
	if !ok || int64(place.length) != length || place.in.doomed {
		return nil, 0, false
	}
	f = place.in
	if f.data == nil {
		data, err := os.Open(f.base + dataSuffix)
		if err != nil {
			f.doomed = true
			return nil, 0, false
		}
		f.data = data
	}
	if f.users++; f.users == 1 {
		s.kept = slices.DeleteFunc(s.kept, func(kept *Spooled) bool { return kept == f })
	}
	return f, place.offset, true
}

// Fate says what becomes of a [Spooled] that its user gives up.
type Fate bool

// Keep leaves what arrived for the next attempt; Drop says that it is in the
// replica now.
const (
	Keep Fate = false
	Drop Fate = true
)

// Release ends the use of f.
func (f *Spooled) Release(fate Fate) error {
	s := f.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
	f.doomed = f.doomed || bool(fate)
	if f.users > 0 {
		return nil
	}
	var err error
	if f.data != nil {
		err = f.data.Close()
		f.data = nil
	}
	if f.list != nil {
		err = errors.Join(err, f.list.Close())
		f.list = nil
	}
	if f.doomed || f.end == 0 {
		return errors.Join(err, s.remove(f))
	}
	s.kept = append(s.kept, f)
	return errors.Join(err, s.shrink())
}

// shrink removes what was kept longest until there is not too much of it: a
// large content that changes before it has arrived leaves something at every
// attempt. Of one that is too large by itself, what came first stays. The caller
// holds mu, or nobody else knows of s.
func (s *Spool) shrink() (err error) {
	room := int64(0)
	for _, f := range s.kept {
		room += f.end
	}
	for room > s.most {
		if len(s.kept) == 1 {
			return errors.Join(err, s.cut(s.kept[0]))
		}
		f := s.kept[0]
		s.kept = s.kept[1:]
		room -= f.end
		err = errors.Join(err, s.remove(f))
	}
	return err
}

// cut leaves as much of f as may be kept. The caller holds mu, or nobody else
// knows of s.
func (s *Spool) cut(f *Spooled) error {
	f.end = s.most
	for name, place := range s.places {
		if place.in == f && place.offset+int64(place.length) > f.end {
			delete(s.places, name)
		}
	}
	return os.Truncate(f.base+dataSuffix, f.end)
}

// remove removes f, which nobody uses. The caller holds mu, or nobody else knows
// of s.
func (s *Spool) remove(f *Spooled) error {
	f.doomed = true
	for name, place := range s.places {
		if place.in == f {
			delete(s.places, name)
		}
	}
	return f.removeFiles()
}

// removeFiles removes the list last, by which both are found.
func (f *Spooled) removeFiles() error {
	if f.base == "" {
		return nil // they never had names
	}
	err := os.Remove(f.base + dataSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(f.base+listSuffix))
}

// Scratch returns an empty file for as long as it is open: in the spare folder,
// where that can be, which has room for what it is about.
func (s *Spool) Scratch() (*os.File, error) {
	if s == nil {
		return nil, fs.ErrInvalid
	}
	f, err := s.unnamed(fs.ErrInvalid)
	if err == nil {
		return f, nil
	}
	if f, err = s.create(dataSuffix); err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // where that waits for its end, it is pruned some day
	return f, nil
}
