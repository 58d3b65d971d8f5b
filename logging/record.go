package logging

import (
	"bytes"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
)

// Start is the first record of a mirror.
type Start struct {
	Version         string
	Source, Replica string // as resolved
	LogFile         string
	Settings        []Setting // in the order to show them
}

// Setting is one setting in force.
type Setting struct {
	Key   string // snake_case
	Value string
}

// Start tells what is about to be mirrored, and how.
func (l *Log) Start(s Start) {
	at := l.now()
	source, replica, file := root(s.Source), root(s.Replica), root(s.LogFile)
	if e := l.record(LevelInfo, EventStart, at); e != nil {
		e.Str(KeyVersion, s.Version).Str(KeySource, source).Str(KeyReplica, replica)
		if s.LogFile != "" {
			e.Str(KeyLogFile, file)
		}
		settings := e.CreateDict()
		for _, set := range s.Settings {
			settings.Str(set.Key, printable(set.Value))
		}
		e.Dict(KeySettings, settings).Msg("started")
	}
	t := l.text(LevelInfo, at, "start", toneGreen)
	if t == nil {
		return
	}
	t.add(source)
	t.add(" → ")
	t.add(replica)
	t.dim("lockstep " + s.Version)
	if s.LogFile != "" {
		t.more("log", toneDim)
		t.add(file)
	}
	if len(s.Settings) > 0 {
		t.more("settings", toneDim)
		for i, set := range s.Settings {
			if i > 0 {
				t.add(", ")
			}
			t.add(set.Key)
			t.add(" ")
			t.add(printable(set.Value))
		}
	}
	l.show(t)
}

// root is the form of [Name] for a folder or file of this machine.
func root(path string) string { return Name(filepath.ToSlash(path)) }

// Watching is the state of the watcher once it stands.
type Watching struct {
	Folders int64 // all that are followed
	Polled  int64 // those among them that are polled
	Elapsed time.Duration
}

// Watching tells that changes of the source are followed from now on.
func (l *Log) Watching(w Watching) {
	at := l.now()
	if e := l.record(LevelInfo, EventWatching, at); e != nil {
		e.Int64(KeyFolders, w.Folders).Int64(KeyPolled, w.Polled).
			Float64(KeyElapsedMS, milliseconds(w.Elapsed)).Msg("watching")
	}
	if t := l.text(LevelInfo, at, "watching", toneGreen); t != nil {
		t.count(w.Folders, "folder")
		if w.Polled > 0 {
			t.add(", ")
			t.buf = appendCount(t.buf, w.Polled)
			t.add(" of them polled")
		}
		t.elapsed(w.Elapsed)
		l.show(t)
	}
}

// Acted is one action that was carried out in the replica.
type Acted struct {
	Action  string // create, copy, update, link, rename, metadata, remove
	Path    string
	From    string // the old path of a rename, the other name of a link
	Kind    string // file, folder, symlink, fifo, device
	Bytes   int64  // of content that was written
	Entries int64  // below a folder that was removed or renamed
	Elapsed time.Duration
	Cause   string // CauseEvent or CausePass
}

// action is how an action is told.
type action struct {
	message string // in the past tense
	tone    string
	sized   bool   // whether it writes content
	joint   string // between path and from
}

var kindsOfAction = map[string]action{
	"create":   {message: "created", tone: toneGreen},
	"copy":     {message: "copied", tone: toneGreen, sized: true},
	"update":   {message: "updated", tone: toneCyan, sized: true},
	"link":     {message: "linked", tone: toneBlue, joint: " = "},
	"rename":   {message: "renamed", tone: toneBlue, joint: " → "},
	"metadata": {message: "metadata set", tone: toneBlue},
	"remove":   {message: "removed", tone: toneRed},
}

// Acted tells actions that took effect together, in their order: each has a record of its own, and all of them get to the file
// and to the console at once, for a write(2) costs more than all else about a record.
func (l *Log) Acted(actions ...Acted) {
	at := l.now()
	g := l.gathered.Get().(*gathering)
	defer l.gathered.Put(g)
	out := l.json.Output(&g.json)
	var buf [timeLength]byte
	when := appendTime(buf[:0], at) // is the dearest part of a record
	for i := range actions {
		a := &actions[i]
		how, known := kindsOfAction[a.Action]
		if !known {
			how.message = "acted"
		}
		path := Name(a.Path)
		if e := out.Info(); e != nil {
			a.record(e.RawJSON(KeyTime, when).Str(KeyEvent, EventActed), how, path)
		}
		if t := l.text(LevelInfo, at, a.Action, how.tone); t != nil {
			t.acted(a, how, path)
			g.text.Write(t.end())
			l.lines.Put(t)
		}
		if g.json.Len()+g.text.Len() > gatheredMax {
			l.spend(g)
		}
	}
	l.spend(g)
}

// gathering is what is told at once.
type gathering struct{ json, text bytes.Buffer }

// gatheredMax bounds what is told at once, so that little is lost together when a disk is full.
const gatheredMax = 32 << 10

// spend hands g over and empties it.
func (l *Log) spend(g *gathering) {
	if g.json.Len() > 0 {
		l.out.WriteLevel(zerolog.InfoLevel, g.json.Bytes())
		g.json.Reset()
	}
	if g.text.Len() > 0 {
		l.console.Write(g.text.Bytes())
		g.text.Reset()
	}
}

// record adds what the JSON of an action has besides time and event.
func (a *Acted) record(e *zerolog.Event, how action, path string) {
	e.Str(KeyAction, a.Action).Str(KeyPath, path)
	if a.From != "" {
		e.Str(KeyFrom, Name(a.From))
	}
	e.Str(KeyKind, a.Kind)
	if how.sized {
		e.Int64(KeyBytes, a.Bytes)
	}
	if a.Entries > 0 {
		e.Int64(KeyEntries, a.Entries)
	}
	e.Float64(KeyElapsedMS, milliseconds(a.Elapsed)).Str(KeyCause, a.Cause).Msg(how.message)
}

// acted adds the subject and the details of an action. A folder ends with a slash; a rename reads from old to new; kinds
// that do not show are named.
func (t *text) acted(a *Acted, how action, path string) {
	from := a.From
	if a.Action == "rename" && from != "" {
		path, from = Name(from), a.Path
	}
	slash := ""
	if a.Kind == "folder" {
		slash = "/"
	}
	t.add(path)
	t.add(slash)
	if from != "" {
		joint := how.joint
		if joint == "" {
			joint = " ← "
		}
		t.add(joint)
		t.name(from)
		t.add(slash)
	}
	if a.Kind != "file" && a.Kind != "folder" {
		t.dim(a.Kind)
	}
	if how.sized {
		t.bytes(a.Bytes)
	}
	if a.Entries > 0 {
		t.gap()
		if a.Entries == 1 {
			t.add("1 entry")
		} else {
			t.buf = appendCount(t.buf, a.Entries)
			t.add(" entries")
		}
	}
	t.elapsed(a.Elapsed)
	t.dim(a.Cause)
}

// Stopped is the last record of a mirror.
type Stopped struct {
	Reason   string
	Elapsed  time.Duration // since start
	Passes   int64
	Actions  int64
	Bytes    int64 // of content that was written
	Problems int64 // paths that could not be mirrored at the end
}

// Stopped tells why the mirror ended and what it did in all.
func (l *Log) Stopped(s Stopped) {
	at := l.now()
	if e := l.record(LevelInfo, EventStopped, at); e != nil {
		e.Str(KeyReason, printable(s.Reason)).Int64(KeyPasses, s.Passes).Int64(KeyActions, s.Actions).
			Int64(KeyBytes, s.Bytes).Int64(KeyProblems, s.Problems).
			Float64(KeyElapsedMS, milliseconds(s.Elapsed)).Msg("stopped")
	}
	if t := l.text(LevelInfo, at, "stop", toneGreen); t != nil {
		t.add(printable(s.Reason))
		t.add(" after ")
		t.buf = appendElapsed(t.buf, s.Elapsed)
		if s.Passes+s.Actions > 0 { // a server makes no passes, and each client counts its actions
			t.add(": ")
			t.passes(s.Passes)
			t.add(", ")
			t.count(s.Actions, "action")
			t.add(", ")
			t.buf = appendBytes(t.buf, s.Bytes)
			t.add(" written")
		}
		if s.Problems > 0 {
			t.add(", ")
			t.count(s.Problems, "problem")
		}
		l.show(t)
	}
}

func (t *text) passes(n int64) {
	if n == 1 {
		t.add("1 pass")
		return
	}
	t.buf = appendCount(t.buf, n)
	t.add(" passes")
}
