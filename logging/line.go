package logging

import (
	"math"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	// showAfter is how long a pass may take without progress being shown: most are over before anybody could read it.
	showAfter = time.Second

	// rateTime is the time constant of the rate: long enough to be readable, short enough to follow a disk.
	rateTime = 3 * time.Second

	barMax = 24 // columns
	barMin = 8  // a shorter bar says nothing
)

// Progress is how far a pass or a first copy has come. Totals are 0 as long as they are not known; then no time left is shown.
type Progress struct {
	Label      string // what is going on, one word: comparing, copying; empty for pass
	Files      int64
	TotalFiles int64
	Bytes      int64
	TotalBytes int64
}

// State is how the mirror stands between passes.
type State struct {
	Equal    bool      // as far as is known; shown only while nothing below says otherwise
	Waiting  int64     // paths in the queue
	Problems int64     // paths that could not be mirrored
	Held     string    // why removals are held; empty if they are not
	Away     bool      // the replica is out of reach
	Folders  int64     // watched
	Polled   int64     // those among them that are polled
	Proved   time.Time // when a pass last proved both trees equal; zero if none has
}

// line is what the live line has to say. It is guarded by the mu of its Live.
type line struct {
	state State
	known bool // a state was set

	progress Progress
	since    time.Time // progress began; zero for none
	rate     rate

	drawn time.Time // when it was last rendered
	stale bool      // something changed since
	force bool      // what changed is worth more than waiting for the next turn
}

// setProgress reports whether p is the first of a pass.
func (s *line) setProgress(p Progress, now func() time.Time) bool {
	s.progress = p
	if !s.since.IsZero() {
		return false
	}
	s.since = now()
	s.rate = rate{at: s.since, bytes: p.Bytes, files: p.Files}
	return true
}

// endProgress reports whether there was any.
func (s *line) endProgress() bool {
	if s.since.IsZero() {
		return false
	}
	s.stale, s.force = true, true
	s.since = time.Time{}
	return true
}

// setState reports whether the line reads differently now.
func (s *line) setState(state State) bool {
	if s.known && s.state == state {
		return false
	}
	s.state, s.known, s.stale = state, true, true
	return true
}

// due returns how long the line on the screen is still right; 0 or less for no longer. Without anything that changes by
// itself it returns an hour, which is as good as never.
func (s *line) due(now time.Time) time.Duration {
	age := now.Sub(s.drawn)
	switch {
	case s.force:
		return 0
	case !s.since.IsZero():
		if begins := showAfter - now.Sub(s.since); begins > 0 {
			if s.stale || s.state.Proved.IsZero() {
				return begins
			}
			return min(begins, s.nextAge(now))
		}
		return progressEvery - age
	case s.stale:
		return stateEvery - age
	}
	return s.nextAge(now)
}

// nextAge returns when the age in the state reads differently: after a second at first, later after a minute or an hour.
func (s *line) nextAge(now time.Time) time.Duration {
	if s.state.Proved.IsZero() || s.drawn.IsZero() {
		return time.Hour
	}
	unit, _ := ageUnit(s.drawn.Sub(s.state.Proved))
	shown := s.drawn.Sub(s.state.Proved) / unit
	return s.state.Proved.Add((shown + 1) * unit).Sub(now)
}

// render returns the line, at most width-1 columns wide: the last column is left free because terminals differ in what
// they do with it.
func (s *line) render(now time.Time, width int, colour bool) []byte {
	s.drawn, s.stale, s.force = now, false, false
	if width < 2 {
		return nil
	}
	if !s.since.IsZero() && now.Sub(s.since) >= showAfter {
		return s.renderProgress(now, width-1)
	}
	if !s.known {
		return nil
	}
	words, tone := s.state.words(now)
	words = runewidth.Truncate(words, width-1, "…")
	t := text{colour: colour}
	head, rest, _ := strings.Cut(words, separator)
	t.open(tone)
	t.add(head)
	t.close(tone)
	if rest != "" {
		t.open(toneDim)
		t.add(separator)
		t.add(rest)
		t.close(toneDim)
	}
	return t.buf
}

const separator = " · "

// words returns the state in words, the most important first.
func (s State) words(now time.Time) (words, tone string) {
	var b []byte
	part := func() {
		if len(b) > 0 {
			b = append(b, separator...)
		}
	}
	if s.Held != "" {
		tone = toneRed
		b = append(b, "removals held: "...)
		b = append(b, printable(s.Held)...)
	}
	if s.Away {
		part()
		b = append(b, "replica out of reach"...)
	}
	if s.Problems > 0 {
		part()
		b = appendCounted(b, s.Problems, "problem")
	}
	if s.Waiting > 0 {
		part()
		b = appendCounted(b, s.Waiting, "path")
		b = append(b, " waiting"...)
	}
	switch {
	case tone != toneNone:
	case s.Away || s.Problems > 0:
		tone = toneYellow
	case s.Waiting > 0:
		tone = toneCyan
	case s.Equal:
		tone = toneGreen
		b = append(b, "equal"...)
	default:
		b = append(b, "not proved yet"...)
	}
	if s.Folders > 0 {
		part()
		b = appendCounted(b, s.Folders, "folder")
		b = append(b, " watched"...)
		if s.Polled > 0 {
			b = append(b, " ("...)
			b = appendCount(b, s.Polled)
			b = append(b, " polled)"...)
		}
	}
	if !s.Proved.IsZero() {
		part()
		b = append(b, "proved "...)
		b = appendAge(b, now.Sub(s.Proved))
		b = append(b, " ago"...)
	}
	return string(b), tone
}

// renderProgress fits as much as there is room for: first the bar gives way, then the rate, then the bytes.
func (s *line) renderProgress(now time.Time, width int) []byte {
	p := s.progress
	s.rate.update(now, p)
	label := p.Label
	if label == "" {
		label = "pass"
	}
	files := appendCount(nil, p.Files)
	if p.TotalFiles > 0 {
		files = append(files, " of "...)
		files = appendCount(files, max(p.TotalFiles, p.Files))
	}
	files = append(files, " files"...)
	volume := appendBytes(nil, p.Bytes)
	if p.TotalBytes > 0 {
		volume = append(volume, " of "...)
		volume = appendBytes(volume, max(p.TotalBytes, p.Bytes))
	}
	speed := append(appendBytes(nil, int64(s.rate.bytesPerSecond)), "/s"...)
	left, known := s.rate.left(p)
	parts := []string{string(files), string(volume), string(speed)}
	if known {
		parts = append(parts, string(append(appendSpan(nil, left), " left"...)))
	}
	words := strings.Join(parts, separator)
	room := width - runewidth.StringWidth(label) - len("  ")
	for drop := 2; runewidth.StringWidth(words) > room && drop > 0; drop-- {
		parts = append(parts[:drop], parts[drop+1:]...)
		words = strings.Join(parts, separator)
	}
	if bar := p.bar(room - runewidth.StringWidth(words) - len("  ")); bar != "" {
		words = bar + "  " + words
	}
	return []byte(runewidth.Truncate(label+"  "+words, width, "…"))
}

// bar draws how much is done in at most room columns; nothing while the total is unknown or room is short.
func (p Progress) bar(room int) string {
	if room < barMin {
		return ""
	}
	done, total := p.measure()
	if total <= 0 {
		return ""
	}
	var b strings.Builder
	filler := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build()
	err := filler.Fill(&b, decor.Statistics{
		AvailableWidth: min(room, barMax), Total: total, Current: min(done, total), Completed: done >= total,
	})
	if err != nil {
		return "" // a strings.Builder takes everything
	}
	return b.String()
}

// measure returns what the time goes into: bytes if their total is known, else files.
func (p Progress) measure() (done, total int64) {
	if p.TotalBytes > 0 {
		return p.Bytes, p.TotalBytes
	}
	return p.Files, p.TotalFiles
}

// rate is how fast a pass goes: an average in which what is older than rateTime hardly counts.
type rate struct {
	at             time.Time
	bytes, files   int64
	bytesPerSecond float64
	filesPerSecond float64
	begun          bool
}

// rateSample is the shortest time a rate is measured over: log lines may have the line drawn every millisecond.
const rateSample = 100 * time.Millisecond

func (r *rate) update(now time.Time, p Progress) {
	elapsed := now.Sub(r.at)
	if elapsed < rateSample {
		return
	}
	weight := 1 - math.Exp(-elapsed.Seconds()/rateTime.Seconds())
	if !r.begun {
		weight, r.begun = 1, true
	}
	r.bytesPerSecond += weight * (float64(p.Bytes-r.bytes)/elapsed.Seconds() - r.bytesPerSecond)
	r.filesPerSecond += weight * (float64(p.Files-r.files)/elapsed.Seconds() - r.filesPerSecond)
	r.at, r.bytes, r.files = now, p.Bytes, p.Files
}

// left returns the time left; false if no total is known or nothing moves.
func (r *rate) left(p Progress) (time.Duration, bool) {
	speed := r.filesPerSecond
	if p.TotalBytes > 0 {
		speed = r.bytesPerSecond
	}
	done, total := p.measure()
	if total <= 0 || speed <= 0 {
		return 0, false
	}
	seconds := float64(max(total-done, 0)) / speed
	if seconds > math.MaxInt64/float64(time.Second) {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
