package watcher

import "slices"

// list reports what is in f and pushes the folders in it.
func (r *run) list(f *folder, h *handle, it item) {
	if f.care != watched {
		r.compare(f, r.snapshot(f, h), it)
		return
	}
	if it.pass && f.leaf {
		r.prune(f, h, nil)
		return
	}
	var below []string
	err := h.list(r.listing, func(name []byte, isFolder bool) {
		if it.pass && !isFolder {
			return
		}
		path := join(f.path, string(name))
		if !r.include(path, isFolder) {
			return
		}
		if !it.pass {
			r.report(path, it.by)
		}
		if isFolder {
			r.push(item{path: path, pass: it.pass, by: it.by})
			below = append(below, base(path))
		}
	})
	if err != nil {
		if !gone(err) { // else it was removed meanwhile, of which the next try tells
			r.tell(Notice{Class: Unwatchable, Path: f.path, Detail: "this folder cannot be listed to its end; trying again", Err: err})
		}
		r.postpone(it)
		return
	}
	slices.Sort(below)
	r.prune(f, h, below)
}

// prune forgets the folders in f that are not among names, which are sorted. A listing may miss a name while others
// are renamed, so each is looked at before.
func (r *run) prune(f *folder, h *handle, names []string) {
	for c := f.child; c != nil; {
		next := c.next
		name := base(c.path)
		if _, ok := slices.BinarySearch(names, name); !ok {
			a, err := h.stat(name)
			if err == nil && a.id != c.id || err != nil && gone(err) {
				r.drop(c)
			}
		}
		c = next
	}
}
