package watcher

import (
	"errors"
	"io/fs"
	"time"
)

// checkRoot compares the folder at the root with the one that is watched. No event at the root shows that a folder above
// it was moved away, or that it was unmounted or mounted over. The order is: heed the surroundings, then look.
func (r *run) checkRoot() {
	r.checked = r.now()
	r.nextRoot = r.checked + rarely
	r.astir.Store(false)
	if r.lost || r.around != nil && r.around.stale() {
		r.heed()
	}
	id, a, err := readRoot(r.w.root)
	if err != nil && crowded(err) {
		r.nextRoot = r.checked + r.w.rootEvery
		return
	}
	if err != nil {
		r.lose(lostDetail(err), err)
		return
	}
	if !r.lost && (id != r.rootID || r.replaced) {
		r.lose("another folder is in its place", nil)
	}
	if r.lost {
		if r.lostTold {
			r.sink.Notice(Notice{Class: RootBack, Detail: "there is a folder again"})
		}
		r.lost, r.lostTold = false, false
		r.rootID, r.rootAttr = id, a
		r.restart(RootReturned)
		return
	}
	if a != r.rootAttr {
		r.rootAttr = a
		if root := r.tree.byPath[""]; root != nil && root.care != watched {
			r.report("", Polled) // nobody else looks at the root itself
		}
	}
	r.checkMounts()
}

// rootDue returns when the root is to be looked at again: soon, unless whatever may happen to it is heard.
func (r *run) rootDue() time.Duration {
	root := r.tree.byPath[""]
	if r.around == nil || r.astir.Load() || r.lost || root == nil || root.care != watched {
		return min(r.nextRoot, r.checked+r.w.rootEvery)
	}
	return r.nextRoot
}

// heed begins anew to hear of what happens around the root.
func (r *run) heed() {
	r.ignore()
	around, err := r.w.heed(r.w.root, func() {
		r.astir.Store(true)
		tell(r.wake)
	})
	if err == nil {
		r.around = around
	}
}

// ignore ends heed.
func (r *run) ignore() {
	if r.around != nil {
		r.around.close()
		r.around = nil
	}
}

// lose lets go of the whole tree and tells it once.
func (r *run) lose(detail string, err error) {
	if !r.lost {
		r.reset()
		r.lost = true
	}
	if !r.lostTold {
		r.lostTold = true
		r.sink.Notice(Notice{Class: RootLost, Detail: detail, Err: err})
	}
}

func lostDetail(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, errNoFolder):
		return "it is not a folder"
	}
	return "it cannot be reached"
}

// checkMounts compares the folders on which a file system is mounted, or was: neither mounting nor unmounting gives an
// event.
func (r *run) checkMounts() {
	suspects := make([]*folder, 0, len(r.mounts))
	for f := range r.mounts {
		suspects = append(suspects, f)
	}
	if r.table.changed() {
		for _, path := range r.table.below(r.w.root) {
			if f := r.tree.byPath[path]; f != nil {
				suspects = append(suspects, f)
			}
		}
	}
	for _, f := range suspects {
		p := r.here()
		if p == nil {
			r.table.close() // which makes it changed at the next look
			r.nextRoot = min(r.nextRoot, r.checked+r.w.rootEvery)
			return
		}
		if r.tree.byPath[f.path] != f {
			continue // went with one above it
		}
		if a, err := p.stat(f.path); err != nil || a.id != f.id {
			r.drop(f)
			r.report(f.path, Polled)
			r.push(item{path: f.path, by: Polled})
		}
	}
}
