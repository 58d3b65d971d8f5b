package logging

import (
	"fmt"
	"strings"
)

// Held is a decision of the guard to hold removals.
type Held struct {
	Reason string // "source is missing"
	Count  int64  // removals held so far; 0 if not known yet
	Remedy string // what a person can do
}

// Held tells that removals are held from now on.
func (l *Log) Held(h Held) {
	at := l.now()
	if e := l.record(LevelWarn, EventHeld, at); e != nil {
		e.Str(KeyReason, printable(h.Reason)).Int64(KeyHeld, h.Count).Str(KeyRemedy, printable(h.Remedy)).
			Msg("removals are held")
	}
	if t := l.text(LevelWarn, at, "held", toneYellow); t != nil {
		if h.Count > 0 {
			t.count(h.Count, "removal")
		} else {
			t.add("removals")
		}
		t.add(": ")
		t.add(printable(h.Reason))
		t.remedy(h.Remedy)
		l.show(t)
	}
}

// Released tells that the reason to hold removals is gone.
func (l *Log) Released(reason string) {
	at := l.now()
	if e := l.record(LevelInfo, EventReleased, at); e != nil {
		e.Str(KeyReason, printable(reason)).Msg("removals were released")
	}
	if t := l.text(LevelInfo, at, "released", toneGreen); t != nil {
		t.add("removals go on")
		if reason != "" {
			t.add(": ")
			t.add(printable(reason))
		}
		l.show(t)
	}
}

// Problem is trouble at one path.
type Problem struct {
	Path    string
	Verb    string // what was tried: copy, remove, read
	Err     error
	Attempt int // from 1
}

// Problem tells a problem at its first attempt; further attempts are told at level debug, and counted by the pass.
func (l *Log) Problem(p Problem) {
	at := l.now()
	level := LevelWarn
	if p.Attempt > 1 {
		level = LevelDebug
	}
	if e := l.record(level, EventProblem, at); e != nil {
		e.Str(KeyPath, Name(p.Path)).Str(KeyVerb, p.Verb).Str(KeyError, errorText(p.Err)).
			Int(KeyAttempt, p.Attempt).Msg("problem")
	}
	if t := l.text(level, at, "problem", toneYellow); t != nil {
		t.add(p.Verb)
		t.add(" ")
		t.name(p.Path)
		t.add(": ")
		t.add(p.cause())
		if p.Attempt > 1 {
			t.dim(fmt.Sprintf("attempt %d", p.Attempt))
		}
		l.show(t)
	}
}

// cause is the error without the verb and path in front, which the line has told already.
func (p Problem) cause() string {
	text := errorText(p.Err)
	if cut, ok := strings.CutPrefix(text, fmt.Sprintf("%s %q: ", p.Verb, p.Path)); ok {
		return cut
	}
	return text
}

// Solved tells that a path with a problem is mirrored after all.
func (l *Log) Solved(path string) {
	at := l.now()
	if e := l.record(LevelInfo, EventSolved, at); e != nil {
		e.Str(KeyPath, Name(path)).Msg("problem was solved")
	}
	if t := l.text(LevelInfo, at, "solved", toneGreen); t != nil {
		t.name(path)
		l.show(t)
	}
}

// Notice is something about the whole mirror a person should know: a missing capability, an overflow, a limit.
type Notice struct {
	Class  string // snake_case, to search for
	Text   string
	Remedy string // what a person can do; empty if nothing
	Level  Level  // LevelWarn if empty
}

// Notice tells n.
func (l *Log) Notice(n Notice) {
	at := l.now()
	level, tone := n.Level, toneYellow
	switch level {
	case "":
		level = LevelWarn
	case LevelDebug, LevelInfo:
		tone = toneNone
	}
	if e := l.record(level, EventNotice, at); e != nil {
		e.Str(KeyClass, n.Class).Str(KeyText, printable(n.Text))
		if n.Remedy != "" {
			e.Str(KeyRemedy, printable(n.Remedy))
		}
		e.Msg("notice")
	}
	if t := l.text(level, at, "notice", tone); t != nil {
		t.add(printable(n.Text))
		t.remedy(n.Remedy)
		l.show(t)
	}
}

// Unheld is a class of attributes that the file system of the replica cannot hold.
type Unheld struct {
	Class string // "owner", "xattrs", "acl"
	Text  string // what that means
}

// Unheld tells u; callers do so once for each class.
func (l *Log) Unheld(u Unheld) {
	at := l.now()
	if e := l.record(LevelWarn, EventUnheld, at); e != nil {
		e.Str(KeyClass, u.Class).Str(KeyText, printable(u.Text)).Msg("replica cannot hold an attribute")
	}
	if t := l.text(LevelWarn, at, "unheld", toneYellow); t != nil {
		t.add(printable(u.Text))
		l.show(t)
	}
}

// Failed tells an error that ends the mirror, and what to do about it.
func (l *Log) Failed(err error, remedy string) {
	at := l.now()
	if e := l.record(LevelError, EventFailed, at); e != nil {
		e.Str(KeyError, errorText(err))
		if remedy != "" {
			e.Str(KeyRemedy, printable(remedy))
		}
		e.Msg("failed")
	}
	if t := l.text(LevelError, at, "error", toneAlarm); t != nil {
		t.add(errorText(err))
		t.remedy(remedy)
		l.show(t)
	}
}

func errorText(err error) string {
	if err == nil {
		return "no cause known"
	}
	return printable(err.Error())
}
