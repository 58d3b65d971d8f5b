package logging

import (
	"time"
)

// A line of text has a time, a verb, a subject and details:
//
//	15:04:05.123  copy      docs/a.txt  12 KiB  1.2 ms  event
//
// Two spaces part the columns. Verbs are padded to the longest, so that subjects stand below each other.
const (
	clock     = "15:04:05.000"
	verbWidth = len("metadata")
	columnGap = "  "
)

// Colours, as SGR parameters. Colour only repeats what the words say.
const (
	toneNone   = ""
	toneDim    = "2"
	toneRed    = "31"
	toneGreen  = "32"
	toneYellow = "33"
	toneBlue   = "34"
	toneCyan   = "36"
	toneAlarm  = "1;31"
)

// text builds one record for people. Its buffer is used again for the next one.
type text struct {
	buf    []byte
	colour bool
}

// begin starts the record: time and verb.
func (t *text) begin(at time.Time, verb, tone string) {
	t.buf = t.buf[:0]
	t.open(toneDim)
	t.buf = at.AppendFormat(t.buf, clock)
	t.close(toneDim)
	t.buf = append(t.buf, columnGap...)
	t.verb(verb, tone)
}

func (t *text) verb(verb, tone string) {
	t.open(tone)
	t.buf = append(t.buf, verb...)
	t.close(tone)
	t.spaces(verbWidth - len(verb))
	t.buf = append(t.buf, columnGap...)
}

// more starts another line of the same record, below its subject or with a verb of its own.
func (t *text) more(verb, tone string) {
	t.buf = append(t.buf, '\n')
	t.spaces(len(clock) + len(columnGap))
	t.verb(verb, tone)
}

// end ends the record.
func (t *text) end() []byte {
	t.buf = append(t.buf, '\n')
	return t.buf
}

func (t *text) add(s string) { t.buf = append(t.buf, s...) }

func (t *text) name(path string) { t.add(Name(path)) }

// count adds n and its noun.
func (t *text) count(n int64, noun string) { t.buf = appendCounted(t.buf, n, noun) }

// dim adds a detail after a gap; empty details are left out.
func (t *text) dim(detail string) {
	if detail == "" {
		return
	}
	t.gap()
	t.open(toneDim)
	t.add(detail)
	t.close(toneDim)
}

func (t *text) bytes(n int64) {
	t.gap()
	t.buf = appendBytes(t.buf, n)
}

func (t *text) elapsed(d time.Duration) {
	t.gap()
	t.open(toneDim)
	t.buf = appendElapsed(t.buf, d)
	t.close(toneDim)
}

func (t *text) remedy(remedy string) {
	if remedy != "" {
		t.more("", toneNone)
		t.add("→ ")
		t.add(printable(remedy))
	}
}

func (t *text) gap() { t.buf = append(t.buf, columnGap...) }

func (t *text) spaces(n int) {
	for range n {
		t.buf = append(t.buf, ' ')
	}
}

func (t *text) open(tone string) {
	if t.colour && tone != toneNone {
		t.buf = append(t.buf, "\x1b["...)
		t.buf = append(t.buf, tone...)
		t.buf = append(t.buf, 'm')
	}
}

func (t *text) close(tone string) {
	if t.colour && tone != toneNone {
		t.buf = append(t.buf, "\x1b[0m"...)
	}
}
