package logging

import "time"

// PassStarted tells at level debug that a pass began, and for what cause.
func (l *Log) PassStarted(cause string) {
	at := l.now()
	if e := l.record(LevelDebug, EventPassStarted, at); e != nil {
		e.Str(KeyCause, cause).Msg("pass started")
	}
	if t := l.text(LevelDebug, at, "pass", toneDim); t != nil {
		t.add("started")
		t.dim(cause)
		l.show(t)
	}
}

// PassDone is the report of a pass.
type PassDone struct {
	Cause     string  // what began it
	Files     int64   // compared
	Folders   int64   // compared
	BytesRead int64   // on both sides
	Drift     int64   // paths that differed
	Repaired  int64   // of them made equal
	Removed   int64   // entries that were removed for that
	Problems  int64   // paths that could not be mirrored
	Held      int64   // removals the guard holds
	Skipped   int64   // sockets, which are no part of the mirror
	Unheld    []Count // what the replica cannot hold
	Elapsed   time.Duration
	Digest    string // hex, over the whole tree: the same number whenever two trees are the same
	Equal     bool   // whether both trees were equal in the end
}

// Count is how often there is something.
type Count struct {
	What string
	N    int64
}

// message is one of four: whether anything changed, and whether the trees are equal.
func (p PassDone) message() string {
	switch changed := p.Drift > 0 || p.Repaired > 0 || p.Removed > 0; {
	case !changed && p.Equal:
		return "pass done, no changes"
	case !changed:
		return "pass done, no changes, not equal"
	case p.Equal:
		return "pass done, equal after repairs"
	}
	return "pass done, not equal"
}

// PassDone tells the report of a pass.
func (l *Log) PassDone(p PassDone) {
	at := l.now()
	message := p.message()
	if e := l.record(LevelInfo, EventPassDone, at); e != nil {
		e.Str(KeyCause, p.Cause).Int64(KeyCompared, p.Files+p.Folders).Int64(KeyFiles, p.Files).
			Int64(KeyFolders, p.Folders).Int64(KeyBytesRead, p.BytesRead).Int64(KeyDrift, p.Drift).
			Int64(KeyRepaired, p.Repaired).Int64(KeyRemoved, p.Removed).Int64(KeyProblems, p.Problems).
			Int64(KeyHeld, p.Held).Int64(KeySkipped, p.Skipped).
			Float64(KeyElapsedMS, milliseconds(p.Elapsed)).Str(KeyDigest, p.Digest).Bool(KeyEqual, p.Equal)
		if len(p.Unheld) > 0 {
			unheld := e.CreateDict()
			for _, u := range p.Unheld {
				unheld.Int64(u.What, u.N)
			}
			e.Dict(KeyUnheld, unheld)
		}
		e.Msg(message)
	}
	tone := toneGreen
	if !p.Equal {
		tone = toneYellow
	}
	if t := l.text(LevelInfo, at, "pass", tone); t != nil {
		t.passDone(p, message)
		l.show(t)
	}
}

// digestShown is how many hex digits of the digest the console shows: 64 bits, enough to compare by eye. The file has all.
const digestShown = 16

func (t *text) passDone(p PassDone, message string) {
	t.add(message[len("pass done, "):])
	mark := ": "
	for _, part := range [...]struct {
		n    int64
		word string
	}{{p.Drift, " drifted"}, {p.Repaired, " repaired"}, {p.Removed, " removed"}, {p.Held, " held"}} {
		if part.n > 0 {
			t.add(mark)
			t.buf = appendCount(t.buf, part.n)
			t.add(part.word)
			mark = ", "
		}
	}
	if p.Problems > 0 {
		t.add(mark)
		t.count(p.Problems, "problem")
	}
	t.gap()
	t.count(p.Files, "file")
	t.add(", ")
	t.count(p.Folders, "folder")
	if p.Skipped > 0 {
		t.add(", ")
		t.count(p.Skipped, "socket")
		t.add(" skipped")
	}
	for i, u := range p.Unheld {
		if i == 0 {
			t.add(", not held:")
		} else {
			t.add(",")
		}
		t.add(" ")
		t.buf = appendCount(t.buf, u.N)
		t.add(" ")
		t.add(u.What)
	}
	t.gap()
	t.buf = appendBytes(t.buf, p.BytesRead)
	t.add(" read")
	t.elapsed(p.Elapsed)
	t.dim(p.Digest[:min(digestShown, len(p.Digest))])
}
