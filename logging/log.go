package logging

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Level is how much a record matters: debug for bookkeeping, info for actions and passes, warn for problems, error for what
// ends the mirror.
type Level string

// The levels, from most to least.
const (
	LevelDebug Level = "debug"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warn"
	LevelError Level = "error"
)

// ParseLevel returns the level of that name.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case LevelDebug, LevelInfo, LevelWarn, LevelError:
		return l, nil
	}
	return "", fmt.Errorf("log level %q: want debug, info, warn or error", s)
}

func (l Level) zerolog() zerolog.Level {
	switch l {
	case LevelDebug:
		return zerolog.DebugLevel
	case LevelWarn:
		return zerolog.WarnLevel
	case LevelError:
		return zerolog.ErrorLevel
	}
	return zerolog.InfoLevel
}

// Format is how the console shows records. The file is always JSON lines.
type Format string

// The console formats.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

// ParseFormat returns the format of that name.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case FormatText, FormatJSON:
		return f, nil
	}
	return "", fmt.Errorf("log format %q: want text or json", s)
}

// Options are the settings of a [Log]. The zero value tells records of level info and above to nobody.
type Options struct {
	File    string // path of the log file; empty for none
	Console *Live  // nil for none
	Level   Level  // the least level that is told, on the console and in the file; empty for info
	Format  Format // of the console; empty for text
	Quiet   bool   // the console shows warnings and errors alone
}

// Log tells what happened, one method for each kind of record. Its methods are safe for concurrent use and never fail: what
// cannot be written is counted, told on the console once, and told in the file when it can be written again.
type Log struct {
	// set by Open
	json    zerolog.Logger // to out
	out     outputs        // file, and console when it shows JSON
	file    *file          // nil without a file
	console *Live          // nil unless it shows text
	jsonOut *Live          // nil unless it shows JSON
	least   zerolog.Level  // of the console
	now     func() time.Time
	lines   sync.Pool // of *text
	// of *gathering
	gathered sync.Pool
}

// Open opens the log file, creating it and its parent folders. That it cannot be opened or is no regular file is an error that
// names it. The caller closes the log; the console stays the caller's.
func Open(o Options) (*Log, error) {
	return open(o, time.Now)
}

func open(o Options, now func() time.Time) (*Log, error) {
	level := o.Level.zerolog()
	l := &Log{least: level, now: now}
	if o.Quiet {
		l.least = max(level, zerolog.WarnLevel)
	}
	colour := o.Console != nil && o.Console.colour
	l.lines.New = func() any { return &text{colour: colour} }
	l.gathered.New = func() any { return new(gathering) }
	out := outputs{least: l.least}
	if o.File != "" {
		f, id, err := openLogFile(o.File)
		if err != nil {
			return nil, err
		}
		l.file = &file{
			path: o.File, now: now, f: f, id: id, checked: now(),
			recovery: l.recovery, tell: l.fileTrouble,
		}
		out.file = l.file
	}
	switch {
	case o.Console == nil:
	case o.Format == FormatJSON:
		l.jsonOut, out.console = o.Console, o.Console
	default:
		l.console = o.Console
	}
	l.out = out
	l.json = zerolog.New(out).Level(level)
	if out.file == nil && out.console == nil {
		l.json = zerolog.Nop()
	}
	return l, nil
}

// Reopen opens the log file anew, for whoever has just rotated it. Without a call a rotated file is noticed within a second.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	return l.file.Reopen()
}

// Close closes the log file. Records told later reach the console alone.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// record begins the JSON of a record; nil, on which every method works, if its level is not told.
func (l *Log) record(level Level, event string, at time.Time) *zerolog.Event {
	return stamp(l.json.WithLevel(level.zerolog()), event, at)
}

func stamp(e *zerolog.Event, event string, at time.Time) *zerolog.Event {
	if e == nil {
		return nil
	}
	var buf [timeLength]byte
	return e.RawJSON(KeyTime, appendTime(buf[:0], at)).Str(KeyEvent, event)
}

// timeLength is room for a time.
const timeLength = 40

// appendTime appends a time as [KeyTime] says.
func appendTime(buf []byte, at time.Time) []byte {
	return at.AppendFormat(buf, `"2006-01-02T15:04:05.000000Z07:00"`)
}

// text begins the text of a record, which the caller hands to show; nil if the console shows no text of this level.
func (l *Log) text(level Level, at time.Time, verb, tone string) *text {
	if l.console == nil || level.zerolog() < l.least {
		return nil
	}
	t := l.lines.Get().(*text)
	t.begin(at, verb, tone)
	return t
}

func (l *Log) show(t *text) {
	l.console.Write(t.end())
	l.lines.Put(t)
}

// recovery is the record that stands where lost records would have been. It is written whatever the level.
func (l *Log) recovery(lost uint64) []byte {
	var b bytes.Buffer
	out := zerolog.New(&b)
	stamp(out.Warn(), EventLost, l.now()).Uint64(KeyRecords, lost).Msg("log records were lost")
	return b.Bytes()
}

// fileTrouble tells on the console that the file cannot be written, or, without an error, that it can be again.
func (l *Log) fileTrouble(lost uint64, err error) {
	words := "the log file is written again"
	if err != nil {
		words = errorText(err)
	}
	at := l.now()
	if l.jsonOut != nil && zerolog.WarnLevel >= l.least {
		out := zerolog.New(l.jsonOut)
		stamp(out.Warn(), EventNotice, at).Str(KeyClass, classFile).Str(KeyText, words).Uint64(KeyRecords, lost).Msg("notice")
	}
	if t := l.text(LevelWarn, at, "log", toneYellow); t != nil {
		t.add(words)
		if err == nil {
			t.add(", ")
			t.count(int64(lost), "record")
			t.add(" lost")
		} else {
			t.remedy("the mirror goes on; records are counted until the file can be written again")
		}
		l.show(t)
	}
}

// classFile is the [KeyClass] of notices about the log file itself, which only a console can tell.
const classFile = "log_file"

// outputs hands JSON records, one or more whole lines, to the file and, from a level on, to the console.
type outputs struct {
	file    io.Writer
	console io.Writer
	least   zerolog.Level
}

func (o outputs) Write(line []byte) (int, error) {
	return o.WriteLevel(zerolog.NoLevel, line)
}

func (o outputs) WriteLevel(level zerolog.Level, lines []byte) (int, error) {
	if o.file != nil {
		o.file.Write(lines)
	}
	if o.console != nil && level >= o.least {
		o.console.Write(lines)
	}
	return len(lines), nil
}
