package reconcile

import (
	"context"
	"slices"
	"strings"
	"sync"

	"lockstep/reconcile/tree"
)

// following is the turns in which workers put back the times of folders. Two
// turns of one folder never overlap: the last to look has the last word. Who has
// changed something in a folder during a turn waits for the next one, and so do
// all others until that begins: nobody waits for more than two, however many
// work in the folder.
type following struct {
	mu   sync.Mutex
	last map[tree.Path]*turn // of each folder, unless it is over
}

// turn is one look at folders, by whoever made it and for all who joined before
// it began.
type turn struct {
	folders []tree.Path
	after   []*turn       // those that have to be over before
	begun   bool          // guarded by mu of following: nobody joins any more
	over    chan struct{} // closed when it is
	amiss   []tree.Path   // the folders that it did not put right; written before it is over
}

// join returns a turn for the caller to begin and end, maybe of no folder, and
// the turn of each of folders: that one, or one that another worker made. A
// turn waits only for turns that were there before it, and so never for itself.
func (f *following) join(folders map[tree.Path]*pass) (mine *turn, turns map[tree.Path]*turn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine, turns = &turn{over: make(chan struct{})}, make(map[tree.Path]*turn, len(folders))
	for path := range folders {
		last := f.last[path]
		if last == nil || last.begun {
			if last != nil {
				mine.after = append(mine.after, last)
			}
			last = mine
			f.last[path] = mine
			mine.folders = append(mine.folders, path)
		}
		turns[path] = last
	}
	return mine, turns
}

// begin waits until it is the turn of t.
func (f *following) begin(t *turn) {
	for _, earlier := range t.after {
		<-earlier.over
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.begun, t.after = true, nil
}

// end is told what did not become right.
func (f *following) end(t *turn, amiss []tree.Path) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range t.folders {
		if f.last[path] == t {
			delete(f.last, path)
		}
	}
	t.amiss = amiss
	close(t.over)
}

// byFolder has what stands in one folder follow each other, so that each folder
// is opened once.
func byFolder(a, b tree.Path) int {
	if byParent := strings.Compare(string(a.Parent()), string(b.Parent())); byParent != 0 {
		return byParent
	}
	return strings.Compare(string(a), string(b))
}

// follow puts the times of folders back in which something was changed, on
// either side: they change with what is in them. Where that goes wrong the
// folder is dirty.
func (b *batch) follow(ctx context.Context) {
	if ctx.Err() != nil || len(b.parents) == 0 {
		return
	}
	f := &b.m.following
	mine, turns := f.join(b.parents)
	f.begin(mine)
	f.end(mine, b.m.putBack(ctx, mine.folders))
	for path, t := range turns {
		if <-t.over; slices.Contains(t.amiss, path) {
			b.m.suggestFor(b.parents[path], path, dirt{cause: ByPass})
		}
	}
}

// putBack puts the times of folders back, and returns those with which it went
// wrong. Others rely on it: it opens what it looks into afresh.
func (m *Mirror) putBack(ctx context.Context, paths []tree.Path) (amiss []tree.Path) {
	above := folders{source: m.source}
	defer above.close()
	var actions []tree.Action
	slices.SortFunc(paths, byFolder)
	for _, path := range paths {
		if path == tree.Root && m.guard.holdsRoot() {
			continue // what stands at the root now is no model for the replica's
		}
		self, err := above.look(path)
		switch {
		case err == nil:
			actions = append(actions, tree.Action{
				Kind: tree.Metadata, Path: path, Want: self, Over: tree.Folder, Follows: true,
			})
		case !isGone(err):
			amiss = append(amiss, path)
		}
	}
	if len(actions) == 0 {
		return amiss
	}
	for i, o := range m.replica.Apply(ctx, actions) {
		path := actions[i].Path
		if !o.Done() || !m.queue.worksBelow(path) && m.differs(path, actions[i].Want) {
			amiss = append(amiss, path)
		}
		if o.Err == nil {
			m.acted(actions[i], o, ByWatch, 0)
		}
	}
	return amiss
}

// differs reports whether the source's folder is not as it was any more. While
// nobody works below a folder, it can have a turn of its own: what that found,
// and was told of, may be newer than what was put back.
func (m *Mirror) differs(folder tree.Path, was tree.Entry) bool {
	now, err := lookAfresh(m.source, folder)
	return err == nil && m.traits.Differ(was, now) != 0
}
