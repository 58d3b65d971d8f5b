package watcher

import (
	"errors"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// restart begins anew: no folder is known, and the walk over everything watches them all.
func (r *run) restart(why Reason) {
	r.reset()
	r.openBackend()
	r.beginWalk(why)
}

// reset forgets everything and ends the backend.
func (r *run) reset() {
	r.closeBackend()
	r.leave()
	r.tree = newFolders()
	r.mounts = make(map[*folder]struct{})
	r.inbox, r.stack, r.later, r.found = nil, nil, nil, nil
	r.dirty.drop()
	r.walking, r.left = false, 0
	r.overflow, r.broken, r.replaced = false, false, false
	r.round.left = 0
}

func (r *run) beginWalk(why Reason) {
	r.walking, r.why, r.walkStart = true, why, r.now()
	r.push(item{path: "", pass: true})
}

// rewalk begins what lost events call for, as soon as the walk before is done and the pause after it is over: a storm
// of overflows costs a bounded share of the time, and each walk ends.
func (r *run) rewalk() {
	if r.walking || r.now() < r.nextWalk {
		return
	}
	switch {
	case r.broken:
		r.restart(Rebuilt)
	case r.overflow:
		r.overflow = false
		r.beginWalk(Overflow)
	}
}

func (r *run) finishWalk() {
	if !r.walking || r.left > 0 || r.tree.byPath[""] == nil {
		return
	}
	r.walking = false
	now := r.now()
	r.nextWalk = now + max(stormPause, 4*(now-r.walkStart)) // a fifth of the time, at most
	r.tellLimit()
	r.publish()
	if !r.ready {
		r.ready = true
		r.nextWalk = 0
		r.sink.Ready(r.w.Coverage())
		return
	}
	r.sink.Rescan(r.why)
}

func (r *run) push(it item) {
	if it.pass {
		r.left++
	}
	r.stack = append(r.stack, it)
}

// walk works off the stack for a slice of time. The latest folder comes first, which keeps the stack short.
func (r *run) walk() {
	end := r.now() + sliceTime
	for n := 0; len(r.stack) > 0 && n < sliceCount && r.now() < end; n++ {
		p := r.here()
		if p == nil {
			return
		}
		it := r.stack[len(r.stack)-1]
		r.stack = r.stack[:len(r.stack)-1]
		r.arm(p, it)
		if it.pass {
			r.left--
		}
	}
	if len(r.stack) == 0 {
		r.stack = nil
		if !r.walking {
			r.tellLimit()
		}
	}
}

// postpone tries a folder again after a pause, which grows to about a minute. The walk over everything does not wait.
func (r *run) postpone(it item) {
	next := r.now() + laterEvery<<min(it.tries, 6)
	if len(r.later) == 0 || next < r.nextLater {
		r.nextLater = next
	}
	it.tries = min(it.tries, 6) + 1
	it.pass = it.pass && it.path == "" // without the root there is nothing to be ready with
	it.relist = true
	r.later = append(r.later, it)
}

// tryAgain takes up what was postponed, and the search for free watches.
func (r *run) tryAgain() {
	now := r.now()
	if len(r.later) > 0 && now >= r.nextLater {
		for _, it := range r.later {
			r.push(it)
		}
		r.later = nil
	}
	if now < r.nextTry {
		return
	}
	if r.backend == nil {
		r.openBackend()
	} else if r.tree.counts[overLimit] > 0 {
		r.mayWatch = true
		r.nextTry = now + tryEvery
	}
}

// arm watches one folder and then lists it: open, fstat, inotify_add_watch, fstatat, getdents. The last is left out of a
// walk that looks for folders only, where the link count says that none is in it.
//
// The backend follows symlinks, so kind and identity are compared before and after. RACE: a folder swapped for a link
// and back within these calls leaves a watch outside the tree; the events of the swap remove it, and until then paths
// may be reported that did not change.
func (r *run) arm(p *place, it item) {
	if !r.known(it.path) {
		return // its folder went away meanwhile
	}
	h, err := p.open(it.path)
	if err != nil {
		r.armFailed(p, it, err)
		return
	}
	defer h.close()
	f := r.tree.byPath[it.path]
	if f != nil && (f.id != h.attr.id || f.care == blind) {
		r.drop(f)
		f = nil
	}
	if f != nil && !it.pass && !it.relist {
		return // listed since it was pushed
	}
	if f == nil {
		if it.relist && !it.pass { // what went from it meanwhile was seen by nobody
			r.report(it.path, it.by)
		}
		r.armNew(p, h, it)
		return
	}
	if f.care == watched {
		// The watch may have died with an earlier folder of the same identity. Adding it twice does no harm.
		if c, err := r.watch(p, f); err != nil {
			r.armFailed(p, it, err)
			return
		} else if c != watched {
			r.tree.setCare(f, c)
		}
	}
	r.list(f, h, it)
}

// armNew watches and lists a folder that is not known.
func (r *run) armNew(p *place, h *handle, it item) {
	name := r.abs(it.path)
	f := &folder{path: it.path, id: h.attr.id}
	if filepath.Separator == '/' {
		f.path = name[len(name)-len(it.path):]
	}
	alias := r.displace(p, f)
	if !r.known(it.path) {
		return // it was the folder above that moved
	}
	above := r.above(f)
	if above != nil {
		f.counts = above.counts
	} else {
		f.counts = h.countsFolders()
	}
	switch kind := r.remote(h, above); {
	case alias:
		f.care = unwatchable
		r.tell(Notice{Class: Unwatchable, Path: f.path, Detail: "the same folder as another one in the tree (bind mount); polling"})
	case kind != "":
		f.care = remote
		r.tell(Notice{Class: Remote, Path: f.path, Detail: "file system " + kind + " sends no events; polling"})
	default:
		f.files = r.countFiles(h)
		c, err := r.watch(p, f)
		if err != nil {
			r.armFailed(p, it, err)
			return
		}
		f.care = c
	}
	if f.care != watched {
		f.files = 0
	}
	r.tree.insert(f)
	if it.path != "" && above == nil {
		r.mounts[f] = struct{}{}
	}
	r.list(f, h, it)
}

// displace forgets the folder that is known under another path with the identity of f: it was renamed, and the backend
// would keep its old name. It returns true if both are there, as one folder mounted at two places; this one is looked
// at last, for it may have gone back to its old name.
func (r *run) displace(p *place, f *folder) bool {
	old := r.tree.byID[f.id]
	if old == nil {
		return false
	}
	if a, err := p.stat(old.path); err == nil && a.id == f.id {
		b, err := p.stat(f.path)
		return err == nil && b.id == f.id
	}
	r.drop(old)
	if r.ready {
		r.dirty.went(old.path, r.now(), r.now())
	}
	r.push(item{path: old.path})
	return false
}

// above returns the folder that holds f; nil for the root and for a folder on another device.
func (r *run) above(f *folder) *folder {
	if f.path == "" {
		return nil
	}
	if above := r.tree.byPath[dir(f.path)]; above.id.dev == f.id.dev {
		return above
	}
	return nil
}

// remote names the file system of a folder if that sends no events: what is known of the folder above, or else is asked.
func (r *run) remote(h *handle, above *folder) string {
	switch {
	case above == nil:
		return r.w.remote(h)
	case above.care == remote:
		return "of the folder above"
	}
	return ""
}

// watch adds the watch of f and says how f is looked after from now on. An error means that f is not there any more, or not to be seen.
func (r *run) watch(p *place, f *folder) (care, error) {
	if r.backend == nil {
		return overLimit, nil
	}
	again := r.tree.byPath[f.path] == f && f.care == watched // takes no further watch
	if costPerEntry > 0 && !again && r.tree.files+int(f.files)+1 > fileBudget() {
		r.mayWatch = false
	}
	if !r.mayWatch && !again {
		r.limitHit = true
		return overLimit, nil
	}
	name := r.abs(f.path)
	if !again { // else the events until now are about this very folder, and a listing for a pass does not report
		f.armed = r.drain.count()
	}
	err := r.backend.Add(name)
	switch {
	case err == nil:
	case spent(err):
		r.mayWatch, r.limitHit = false, true
		r.nextTry = r.now() + tryEvery
		return overLimit, nil
	case errors.Is(err, fsnotify.ErrClosed):
		r.broken = true
		return overLimit, nil
	case gone(err):
		return 0, err
	default:
		r.tell(Notice{Class: Unwatchable, Path: f.path, Detail: "this folder cannot be watched; polling", Err: err})
		return unwatchable, nil
	}
	a, err := p.stat(f.path)
	if err == nil && a.id != f.id {
		err = errNoFolder
	}
	if err != nil {
		r.unwatch(name)
		return 0, err
	}
	f.leaf = f.counts && a.links == linksOfLeaf
	return watched, nil
}

// unwatch removes a watch. It may be gone already, together with its folder.
func (r *run) unwatch(name string) {
	if r.backend != nil {
		r.backend.Remove(name)
	}
}

// armFailed decides what an error means: nothing there, a shortage, or a folder that stays unknown inside.
func (r *run) armFailed(p *place, it item, err error) {
	f := r.tree.byPath[it.path]
	switch {
	case gone(err):
		if f != nil {
			r.drop(f)
		}
		if !it.pass {
			r.report(it.path, it.by)
		}
		if it.path == "" {
			r.nextRoot = r.now()
			r.postpone(it)
		}
		return
	case crowded(err):
		r.postpone(it)
		return
	}
	r.tell(Notice{Class: Unwatchable, Path: it.path, Detail: "this folder cannot be read; left to the passes", Err: err})
	if f != nil {
		r.blind(f)
		return
	}
	switch a, err := p.stat(it.path); {
	case err == nil && a.folder:
		r.tree.insert(&folder{path: it.path, id: a.id, care: blind})
	case err != nil && !gone(err):
		r.postpone(it)
	}
}

// blind keeps a folder that cannot be read any more; it is tried again at each poll.
func (r *run) blind(f *folder) {
	if f.care == watched {
		r.unwatch(r.abs(f.path))
	}
	r.tree.setCare(f, blind)
}

// drop forgets f and all below it, and removes their watches: under the old names they would report falsehoods.
func (r *run) drop(f *folder) {
	for _, g := range r.tree.forget(f) {
		delete(r.mounts, g)
		if g.care == watched {
			r.unwatch(r.abs(g.path))
			r.mayWatch = true
		}
	}
}
