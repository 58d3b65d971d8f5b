package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"lockstep/reconcile/tree"
)

// links knows which paths of the source are names of one file, symlink, FIFO or
// device. It holds only what has more than one name, so it is empty for most trees. It may
// be out of date: whoever uses a name looks at it again.
type links struct {
	mu     sync.Mutex
	byID   map[tree.ID]map[tree.Path]struct{}
	firsts map[tree.ID]tree.Path // of byID, the first name in order of bytes, where somebody asked
	byPath map[tree.Path]seenLink
	below  map[tree.Path]int      // how many of byPath are below a folder, if any
	lost   map[tree.Path]seenLink // what was known of names that went
	age    int                    // grows with each pass

	// A search looks through the whole source for names that no event told
	// of: link(2) is reported at the new name alone.
	searching sync.Mutex
	searched  time.Time // when the last search began
	took      time.Duration
}

// seenLink is the file that a path was a name of, and in which age. sure: in
// the replica it is none of another file. refused is why it is a copy there.
type seenLink struct {
	id      tree.ID
	age     int
	sure    bool
	refused error
}

func newLinks() *links {
	return &links{
		byID:   make(map[tree.ID]map[tree.Path]struct{}),
		firsts: make(map[tree.ID]tree.Path),
		byPath: make(map[tree.Path]seenLink),
		below:  make(map[tree.Path]int),
		lost:   make(map[tree.Path]seenLink),
	}
}

// maxLost is how many names that went are remembered: some 10 MB.
const maxLost = 1 << 16

// see takes a fresh entry of the source, absent or not. When path was a name of
// another file before, left is one of that file's remaining names, if any: what
// was done to it through path may have been told of path alone. Whoever calls
// see makes left dirty, for nobody is told of it again.
func (l *links) see(path tree.Path, e tree.Entry) (left tree.Path, ok bool) {
	linked := e.Several()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !linked && len(l.byPath)+len(l.lost) == 0 {
		return "", false
	}
	if e.Kind != tree.Absent {
		delete(l.lost, path)
	}
	old, known := l.byPath[path]
	if known && (!linked || old.id != e.ID) {
		if e.Kind == tree.Absent {
			l.lose(path, old)
		} else {
			l.forget(path, old.id)
		}
		for left = range l.byID[old.id] {
			ok = true
			break
		}
	}
	if !linked {
		return left, ok
	}
	seen := seenLink{id: e.ID, age: l.age}
	if old.id == e.ID {
		seen.sure, seen.refused = old.sure, old.refused
	}
	l.file(path, seen)
	return left, ok
}

// file notes a name. The caller holds mu.
func (l *links) file(path tree.Path, seen seenLink) {
	group := l.byID[seen.id]
	if group == nil {
		group = make(map[tree.Path]struct{})
		l.byID[seen.id] = group
	}
	if first, known := l.firsts[seen.id]; known && path < first {
		l.firsts[seen.id] = path
	}
	group[path] = struct{}{}
	if _, known := l.byPath[path]; !known {
		l.count(path, 1)
	}
	l.byPath[path] = seen
}

// count adds n to what is below each folder above path. The caller holds mu.
func (l *links) count(path tree.Path, n int) {
	for folder := path; folder != tree.Root; {
		folder = folder.Parent()
		if l.below[folder] += n; l.below[folder] == 0 {
			delete(l.below, folder)
		}
	}
}

// vouch notes that the replica has path as a name of id, if that was last seen
// to be its file, and that none of another file's is with it there.
func (l *links) vouch(path tree.Path, id tree.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen, known := l.byPath[path]; known && seen.id == id {
		seen.sure = true
		l.byPath[path] = seen
	}
}

// sure reports whether somebody vouched for path.
func (l *links) sure(path tree.Path) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byPath[path].sure
}

// leave drops the names below folder, which is gone, and returns for each of
// their files one of the remaining names, if any.
func (l *links) leave(folder tree.Path) (left []tree.Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.below[folder] == 0 { // true of most, where very many may be known elsewhere
		return nil
	}
	gone := make(map[tree.ID]struct{})
	for path, seen := range l.byPath {
		if folder.Holds(path) {
			l.lose(path, seen)
			gone[seen.id] = struct{}{}
		}
	}
	return l.oneOfEach(gone)
}

// oneOfEach returns one name of each of files that has one. The caller holds mu.
func (l *links) oneOfEach(files map[tree.ID]struct{}) (names []tree.Path) {
	for id := range files {
		for path := range l.byID[id] {
			names = append(names, path)
			break
		}
	}
	return names
}

// renamed notes that the replica has below to now what it had below from.
// Whether the source has the same files there is seen when they are looked at.
func (l *links) renamed(from, to tree.Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	came := make(map[tree.Path]seenLink)
	known := l.byPath
	if l.below[from]+l.below[to] == 0 { // as in leave
		known = nil
	}
	for _, names := range []map[tree.Path]seenLink{l.lost, known} {
		for path, seen := range names {
			if from.Holds(path) {
				came[to+path[len(from):]] = seen
			}
			if from.Holds(path) || to.Holds(path) {
				delete(l.lost, path)
				l.forget(path, seen.id)
			}
		}
	}
	for path, seen := range came {
		seen.age = l.age
		l.file(path, seen)
	}
}

// lose drops a name that is gone, and keeps what was known of it for a while:
// it may turn up below a folder's new name. The caller holds mu.
func (l *links) lose(path tree.Path, seen seenLink) {
	l.forget(path, seen.id)
	if len(l.lost) >= maxLost {
		clear(l.lost)
	}
	seen.age = l.age
	l.lost[path] = seen
}

// forget drops one name. The caller holds mu.
func (l *links) forget(path tree.Path, id tree.ID) {
	if _, known := l.byPath[path]; known {
		l.count(path, -1)
	}
	delete(l.byPath, path)
	delete(l.byID[id], path)
	if l.firsts[id] == path {
		delete(l.firsts, id)
	}
	if len(l.byID[id]) == 0 {
		delete(l.byID, id)
	}
}

// nextAge begins an age, and forgetOlder ends it: a pass has seen every name
// that there is. Of each file that others were names of it returns one that is
// left, as see does.
func (l *links) nextAge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age++
}

func (l *links) forgetOlder() (left []tree.Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := make(map[tree.ID]struct{})
	for path, seen := range l.byPath {
		if seen.age < l.age {
			l.forget(path, seen.id)
			gone[seen.id] = struct{}{}
		}
	}
	left = l.oneOfEach(gone)
	maps.DeleteFunc(l.lost, func(_ tree.Path, seen seenLink) bool { return seen.age < l.age })
	return left
}

// known returns how many names of id are known.
func (l *links) known(id tree.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID[id])
}

// fewNames of a file are looked through whenever somebody asks for the first.
const fewNames = 8

// first returns the first of the names of id, if any. It looks through very many
// only when the first one went: each of them asks.
func (l *links) first(id tree.ID) (tree.Path, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, known := l.firsts[id]
	if known {
		return first, true
	}
	for path := range l.byID[id] {
		if !known || path < first {
			first, known = path, true
		}
	}
	if len(l.byID[id]) > fewNames {
		l.firsts[id] = first
	}
	return first, known
}

// names returns the known names of id, sorted.
func (l *links) names(id tree.ID) []tree.Path {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]tree.Path, 0, len(l.byID[id]))
	for p := range l.byID[id] {
		names = append(names, p)
	}
	slices.Sort(names)
	return names
}

// The clock that stamps entries may be behind time.Now by a tick, 10 ms at
// most (CONFIG_HZ=100). Searches take at most a share of the time.
const (
	stampLag    = 20 * time.Millisecond
	searchShare = 10
)

// nearby is the folder in which names were searched for last, and when that
// began. The zero one is none.
type nearby struct {
	folder tree.Path
	began  time.Time
}

// covers reports whether a name that e had by then in that folder was seen: a new
// one changes e.
func (n nearby) covers(folder tree.Path, e tree.Entry) bool {
	return n.folder == folder && n.began.After(e.ChangeTime.Time().Add(stampLag))
}

// completeLinks makes sure that the names of e, found at path, are known as far as
// they can be: all in the source, unless searches would take too much of the
// time. Then it returns how long it is until the next one. near is where the
// caller searched last: a folder may have very many names of files outside.
func (m *Mirror) completeLinks(ctx context.Context, path tree.Path, e tree.Entry, near *nearby) time.Duration {
	l := m.links
	if l.known(e.ID) >= int(e.Links) {
		return 0
	}
	if folder := path.Parent(); !near.covers(folder, e) {
		*near = nearby{folder, time.Now()}
		m.seeFolderLinks(folder)
	}
	if l.known(e.ID) >= int(e.Links) {
		return 0
	}
	l.searching.Lock()
	defer l.searching.Unlock()
	now := time.Now()
	if l.searched.After(e.ChangeTime.Time().Add(stampLag)) {
		return 0
	}
	if rest := searchShare*l.took - now.Sub(l.searched); rest > 0 {
		return rest
	}
	l.searched = now
	m.searchLinks(ctx, tree.Root)
	l.took = time.Since(now)
	return 0
}

// searchLinks sees everything below path that has more than one name.
func (m *Mirror) searchLinks(ctx context.Context, path tree.Path) {
	pending := []tree.Path{path}
	for len(pending) > 0 && ctx.Err() == nil {
		last := len(pending) - 1
		folder := pending[last]
		pending = append(pending[:last], m.seeFolderLinks(folder)...)
	}
}

// seeFolderLinks sees what is directly in a folder, and returns its folders.
// What cannot be read holds no names that could be used.
func (m *Mirror) seeFolderLinks(path tree.Path) (folders []tree.Path) {
	for _, e := range list(m.source, path) {
		switch {
		case e.Kind == tree.Folder:
			folders = append(folders, path.Join(e.Name))
		case e.Several():
			if left, ok := m.links.see(path.Join(e.Name), e); ok {
				m.queue.add(left, dirt{cause: ByPoll})
			}
		}
	}
	return folders
}
