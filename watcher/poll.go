package watcher

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"time"
)

// look is what is remembered of a folder without a watch.
type look struct {
	slot int    // where it stands in folders.polled
	seen []byte // the entries, sorted by name: see appendEntry
	self uint64 // the sum of the folder itself, from before they were listed
}

// entry is a name in a folder that was looked at.
type entry struct {
	name string
	sum  uint64 // over everything that a look tells
	attr attr
}

// pollRound paces the polling: each folder once in a period, in a few steps.
type pollRound struct {
	period time.Duration
	next   time.Duration // the next step
	left   int           // folders to look at in this step
	at     int           // the next folder
	cost   time.Duration // time spent in this round
}

const (
	pollSteps = 8 // steps in a period
	pollShare = 5 // a period is at least this many times what its looks cost
)

// poll looks at the folders without a watch, a few at a time.
func (r *run) poll() {
	round, n := &r.round, len(r.tree.polled)
	if n == 0 {
		round.left = 0
		return
	}
	start := r.now()
	if round.left == 0 {
		if start < round.next {
			return
		}
		steps := min(pollSteps, n)
		round.left = (n + steps - 1) / steps
		round.next = start + round.period/time.Duration(steps)
	}
	for i := 0; round.left > 0 && i < sliceCount && r.now()-start < sliceTime; i++ {
		p := r.here()
		if p == nil {
			break
		}
		if len(r.tree.polled) == 0 {
			round.left = 0
			break
		}
		if round.at >= len(r.tree.polled) {
			round.at = 0
			round.period = max(r.w.options.Poll, pollShare*round.cost)
			round.cost = 0
		}
		r.look(p, r.tree.polled[round.at])
		round.at++
		round.left--
	}
	round.cost += r.now() - start
}

// look compares one folder with the last look at it, and gives it a watch if there is one to be had: the watch first,
// then the comparison, so that nothing is missed in between.
func (r *run) look(p *place, f *folder) {
	it := item{path: f.path, by: Polled}
	h, err := p.open(f.path)
	switch {
	case err == nil:
		defer h.close()
	case crowded(err):
		return
	case gone(err):
		r.report(f.path, Polled)
		r.drop(f)
		return
	default:
		if f.care != blind {
			r.armFailed(p, it, err)
		}
		return
	}
	if h.attr.id != f.id || f.care == blind {
		r.report(f.path, Polled)
		r.drop(f)
		r.push(it)
		return
	}
	promoted := false
	if f.care == overLimit && r.mayWatch && r.backend != nil {
		f.files = r.countFiles(h)
		c, err := r.watch(p, f)
		if err != nil {
			r.armFailed(p, it, err)
			return
		}
		promoted = c == watched
		if !promoted {
			f.files = 0
		}
	}
	if self := r.sum(h.attr); self == 0 || self != f.look.self {
		// What came and went again since the last look, others may have seen.
		r.report(f.path, Polled)
	}
	whole := r.compare(f, r.snapshot(f, h), it)
	if promoted && whole {
		r.tree.files += int(f.files)
		r.tree.setCare(f, watched)
	} else if promoted {
		r.unwatch(r.abs(f.path))
	}
}

// snapshot lists f and looks at each entry. It returns nil if that is not complete.
func (r *run) snapshot(f *folder, h *handle) []entry {
	f.look.self = r.sum(h.attr)
	entries := []entry{}
	err := h.list(r.listing, func(name []byte, isFolder bool) {
		if path := join(f.path, string(name)); r.include(path, isFolder) {
			entries = append(entries, entry{name: base(path)})
		}
	})
	if err != nil {
		return nil
	}
	kept := entries[:0]
	for _, e := range entries {
		a, err := h.stat(e.name)
		if err != nil && gone(err) {
			continue
		}
		// An entry that cannot be looked at stays, as one without attributes.
		e.attr, e.sum = a, r.sum(a)
		kept = append(kept, e)
	}
	slices.SortFunc(kept, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return kept
}

// coarse is for how long a time in whole seconds may still hide a second change in the same second.
const coarse = 2 * time.Second

// sum condenses a. An entry whose times are in whole seconds and fresh gets 0: it is reported once more when it has come
// to rest, as its times cannot tell two changes within one second apart.
func (r *run) sum(a attr) uint64 {
	if a.ctime%int64(time.Second) == 0 && time.Since(time.Unix(0, max(a.ctime, a.mtime))).Abs() < coarse {
		return 0
	}
	return maphash.Comparable(r.seed, a)
}

// compare reports how entries differ from what is remembered of f, pushes the folders among them that are not known,
// and remembers them. Nil entries are compared at the next look; false then.
func (r *run) compare(f *folder, entries []entry, it item) bool {
	if entries == nil {
		if it.pass {
			r.postpone(it)
		}
		return false
	}
	old := f.look.seen
	now := make([]byte, 0, len(old))
	for _, e := range entries {
		now = appendEntry(now, e)
	}
	f.look.seen = slices.Clip(now)
	fresh := entries
	if bytes.Equal(old, now) {
		fresh = nil
	}
	name, sum, rest := cutEntry(old)
	for _, e := range fresh {
		for ; len(name) > 0 && string(name) < e.name; name, sum, rest = cutEntry(rest) {
			r.foundChange(join(f.path, string(name)), it)
		}
		if string(name) != e.name || sum != e.sum {
			r.foundChange(join(f.path, e.name), it)
		}
		if string(name) == e.name {
			name, sum, rest = cutEntry(rest)
		}
	}
	for ; fresh != nil && len(name) > 0; name, _, rest = cutEntry(rest) {
		r.foundChange(join(f.path, string(name)), it)
	}
	r.compareFolders(f, entries, it)
	return true
}

func (r *run) foundChange(path string, it item) {
	if !it.pass {
		r.report(path, it.by)
	}
}

// compareFolders brings the folders that are known in f into line with entries.
func (r *run) compareFolders(f *folder, entries []entry, it item) {
	for c := f.child; c != nil; {
		next := c.next
		name := base(c.path)
		i, ok := slices.BinarySearchFunc(entries, name, func(e entry, name string) int { return cmp.Compare(e.name, name) })
		if !ok || entries[i].attr.id != c.id {
			r.drop(c)
		}
		c = next
	}
	for _, e := range entries {
		if !e.attr.folder {
			continue
		}
		path := join(f.path, e.name)
		if it.pass || r.tree.byPath[path] == nil {
			r.push(item{path: path, pass: it.pass, by: it.by})
		}
	}
}

// appendEntry encodes an entry: the length of its name as a varint, the name, the sum.
func appendEntry(b []byte, e entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.name)))
	b = append(b, e.name...)
	return binary.LittleEndian.AppendUint64(b, e.sum)
}

// cutEntry decodes the first entry of b, which appendEntry made; an empty name at the end.
func cutEntry(b []byte) (name []byte, sum uint64, rest []byte) {
	if len(b) == 0 {
		return nil, 0, nil
	}
	n, used := binary.Uvarint(b)
	b = b[used:]
	return b[:n], binary.LittleEndian.Uint64(b[n:]), b[n+8:]
}
