package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// verdict is what a line says of its target.
type verdict string

const (
	noTarget verdict = "–"
	met      verdict = "met"
	missed   verdict = "missed"
	failed   verdict = "failed"
	unknown  verdict = "unknown"
)

// line is one line of the table: what lockstep needed, what a peer needed, and what was to be reached.
type line struct {
	row, work     string
	ours          string
	peer, theirs  string
	ratio, target string
	verdict       verdict
	note          string // why there is no value
}

// complete fills what a line has of its row.
func (l *line) complete(r row) {
	l.row = r.name
	if l.work == "" {
		l.work = r.work
	}
	if l.verdict == "" {
		l.verdict = noTarget
	}
}

func (l line) cells() []string {
	peer := l.peer
	if l.note != "" {
		peer = strings.TrimPrefix(peer+": "+strings.ReplaceAll(l.note, "\n", " "), ": ")
	}
	return []string{l.row, l.work, l.ours, peer, l.theirs, l.ratio, l.target, string(l.verdict)}
}

// String is the line for somebody who waits for the next one.
func (l line) String() string {
	text := l.work + ": " + l.ours
	if l.peer != "" {
		text += "; " + l.peer + " " + l.theirs
	}
	if l.ratio != "" {
		text += "; ratio " + l.ratio
	}
	if l.target != "" {
		text += "; target " + l.target + ": " + string(l.verdict)
	}
	if l.note != "" {
		text += "; " + l.note
	}
	return text
}

// holds says whether a target was met.
func holds(yes bool) verdict {
	if yes {
		return met
	}
	return missed
}

// markdown returns the lines as a table.
func markdown(lines []line) string {
	table := [][]string{{"row", "work", "lockstep", "measured against", "needs", "ratio", "to reach", "so"}}
	for _, l := range lines {
		table = append(table, l.cells())
	}
	widths := make([]int, len(table[0]))
	for _, cells := range table {
		for i, c := range cells {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	var b strings.Builder
	for n, cells := range table {
		for i, c := range cells {
			fmt.Fprintf(&b, "| %s%s ", c, strings.Repeat(" ", widths[i]-len([]rune(c))))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// series is how long one program took in each round that counts, and what processor time it used if that is known.
type series struct {
	name       string
	taken, cpu []time.Duration
	stolen     []float64
}

func (s *series) add(t turnOf) {
	s.taken, s.cpu, s.stolen = append(s.taken, t.taken), append(s.cpu, t.cpu), append(s.stolen, t.stolen)
}

// quantile returns the value below which that part of the series lies: 0 is the least, 0.5 the median.
func (s series) quantile(part float64) time.Duration {
	return quantile(s.taken, part)
}

func quantile(times []time.Duration, part float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(part*float64(len(sorted)-1))]
}

// String is the median, the least in parentheses, and the median of the processor time.
func (s series) String() string {
	text := fmt.Sprintf("%s (%s)", short(s.quantile(0.5)), short(s.quantile(0)))
	if len(s.cpu) > 0 {
		text += ", CPU " + short(quantile(s.cpu, 0.5))
	}
	if len(s.stolen) > 0 {
		if most := slices.Max(s.stolen); most > muchStolen {
			text += fmt.Sprintf(", up to %.0f%% stolen", 100*most)
		}
	}
	return text
}

// short writes a duration with three digits that count.
func short(d time.Duration) string {
	unit := time.Microsecond
	switch {
	case d >= 10*time.Second:
		unit = 100 * time.Millisecond
	case d >= time.Second:
		unit = 10 * time.Millisecond
	case d >= 100*time.Millisecond:
		unit = time.Millisecond
	case d >= 10*time.Millisecond:
		unit = 100 * time.Microsecond
	case d >= time.Millisecond:
		unit = 10 * time.Microsecond
	}
	return d.Round(unit).String()
}

// target is what a peer's time is held against.
type target struct {
	limit float64 // of the peer's time; 0 for none
	part  float64 // the quantile that is compared: 0.5, or 0 where medians are too noisy
}

// against compares two series.
func (t target) against(ours, theirs series) line {
	l := line{ours: ours.String(), peer: theirs.name, theirs: theirs.String()}
	if len(theirs.taken) == 0 {
		l.theirs, l.note, l.verdict = "", "missing", unknown
		if t.limit == 0 {
			l.verdict = noTarget
		}
		return l
	}
	ratio := float64(ours.quantile(t.part)) / float64(theirs.quantile(t.part))
	l.ratio = fmt.Sprintf("%.2f", ratio)
	if t.limit > 0 {
		l.target = fmt.Sprintf("≤ %.2f", t.limit)
		if t.part == 0 {
			l.target += " of the minima"
		}
		l.verdict = holds(ratio <= t.limit)
	}
	return l
}
