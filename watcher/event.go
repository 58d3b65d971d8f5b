package watcher

// handleEvents works off a part of what the drain has handed over.
func (r *run) handleEvents() {
	for n := 0; len(r.inbox) > 0 && n < inboxSlice; n++ {
		p := r.here()
		if p == nil {
			return
		}
		e := r.inbox[0]
		r.inbox = r.inbox[1:]
		r.handle(p, e)
	}
	if len(r.inbox) == 0 {
		r.inbox = nil
	}
}

// handle looks at a name that had events. What they were matters in one case only: a folder that went away may be back
// with the same number, yet without its watch.
//
// A name below a folder that is not known, or whose watch is younger than the event, comes from a folder that bore the
// name before: it is left out, for the folder was listed, wherever it is now, after its watch was made.
func (r *run) handle(p *place, e event) {
	path, ok := r.relative(e.name)
	if !ok {
		return
	}
	if path == "" {
		if e.gone > 0 {
			r.replaced, r.nextRoot = true, r.now()
		}
		r.reportEvent(path, e)
		return
	}
	parent, f := r.tree.byPath[dir(path)], r.tree.byPath[path]
	went := f != nil && e.gone > f.armed
	if parent == nil || (e.seq <= parent.armed && !went) {
		return
	}
	a, err := p.stat(path)
	isFolder := err == nil && a.folder
	if !r.include(path, isFolder || f != nil) {
		return
	}
	r.reportEvent(path, e)
	if f != nil {
		if !went && isFolder && a.id == f.id && f.care != blind {
			return
		}
		if !went && err != nil && !gone(err) {
			return // not known to be gone
		}
		r.drop(f)
	}
	if isFolder || err != nil && !gone(err) { // what cannot be looked at may be a folder
		r.arm(p, item{path: path})
	}
}

func (r *run) reportEvent(path string, e event) {
	switch {
	case !r.ready:
	case e.gone == e.seq:
		r.dirty.went(path, e.first, e.last)
	default:
		r.dirty.add(path, e.first, e.last)
	}
}
