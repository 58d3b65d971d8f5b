package watcher

// tellLimit tells, once a walk is done and the need is known, that there are too few watches.
func (r *run) tellLimit() {
	without := r.tree.counts[overLimit]
	if !r.limitHit || without == 0 || r.backend == nil {
		return
	}
	n := Notice{Class: WatchLimit, Detail: "too few watches; the folders without one are polled", Limit: watchLimit()}
	for _, f := range r.tree.polled {
		if f.care == overLimit {
			n.Path = f.path
			break
		}
	}
	if n.Limit > 0 {
		// The limit is for all programs of the user, who have used it up together.
		n.Need = max(n.Limit, r.tree.counts[watched]*(1+costPerEntry)) + without
		n.Remedy = watchRemedy(n.Need)
	}
	r.tell(n)
}

// countFiles counts the entries of a folder where each of them costs an open file.
func (r *run) countFiles(h *handle) int32 {
	if costPerEntry == 0 {
		return 0
	}
	n := 0
	if h.list(r.listing, func([]byte, bool) { n++ }) != nil || h.rewind() != nil {
		return clampFiles(fileBudget())
	}
	return clampFiles(n * costPerEntry)
}
