package logging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// pendingMax bounds the lines that wait for a slow console: some ten thousand.
	pendingMax = 1 << 20

	// stallAfter is how long a console may take no line at all before further ones are dropped instead of waited for.
	// A pipe that is read slowly slows us down and loses nothing; one that is not read, or a terminal stopped with Ctrl-S,
	// costs one second once.
	stallAfter = time.Second

	// pieceMost is how much is written at a time: a console that takes less than that in stallAfter counts as one that takes
	// nothing. A slow line, 115,200 baud, takes it in less.
	pieceMost = 8 << 10

	// retryEvery is the pause after EAGAIN, which a terminal gives that another program has made non-blocking.
	retryEvery = 10 * time.Millisecond

	// Progress is drawn this often while it is shown; a state at most once a second, and only when it reads differently.
	progressEvery = 200 * time.Millisecond
	stateEvery    = time.Second
)

// LineMode says whether a [Live] may show a live line.
type LineMode int

// The modes: on a terminal that can, or not at all.
const (
	LineOnTerminal LineMode = iota
	LineNever
)

// Live is a console: log lines, and on a terminal one live line below them that shows the progress of a pass or the state of
// the mirror. The live line is the terminal's last, is never wrapped, and the cursor rests at its first column, so that
// whatever comes next, a log line, a new width or the shell's prompt after a kill, begins there and clears it. There is none
// while the process is in the background.
//
// mpb draws the bar (its BarFiller measures wide runes) and go-runewidth cuts the line to the width, but the line is
// ours. A container of mpb 8.9 was weighed and left: it holds log lines back until its next refresh, which comes every
// 150 ms for as long as it lives or has to be asked for line by line, it serves one pass and cannot be used again, and it
// ends and refuses further lines when the terminal once fails to tell its size. What is left to do by hand is one
// escape sequence.
//
// A console that is closed (EPIPE, or a terminal that went away) is written no more. One that takes nothing for a second
// loses the lines that come meanwhile and is told how many. Neither stops whoever writes while Run is active. All methods
// are safe for concurrent use.
type Live struct {
	// set by NewLive
	out      io.Writer
	colour   bool
	terminal func() int // its width in columns, 0 if unknown, or elsewhere; nil for no live line
	resizes  func() (resized <-chan os.Signal, unsubscribe func())

	// wake tells draw that there is something to do; never blocks, as one waiting signal is enough.
	wake chan struct{}

	// owned by draw, and by Write while there is no draw
	drawn bool // a live line is on the screen

	// guarded by mu
	mu      sync.Mutex
	pending []byte        // whole lines not written yet
	taken   chan struct{} // closed when the console has taken lines
	running bool          // Run is active
	stalled bool
	missed  int64 // lines dropped since stalled
	broken  bool  // closed for good
	line    line
}

// NewLive returns a console that writes to out. If out is a file, its user calls [SurviveClosedConsole] first.
// The line is shown on terminals alone, and colour too, unless NO_COLOR is set (https://no-color.org).
func NewLive(out io.Writer, mode LineMode) *Live {
	l := newLive(out)
	if width, ok := terminalOf(out); ok {
		l.colour = coloured()
		if mode == LineOnTerminal {
			l.terminal, l.resizes = width, resizes
		}
	}
	return l
}

func newLive(out io.Writer) *Live {
	return &Live{out: out, wake: make(chan struct{}, 1), taken: make(chan struct{})}
}

// Write shows p, one or more whole lines, above the live line. It never returns an error.
// While Run is active it only queues p and returns at once, unless the console is slow. Before and after, it writes p
// itself and takes as long as the console does.
func (l *Live) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running {
		if !l.broken {
			l.broken = l.emit(p, nil) != nil
		}
		return len(p), nil
	}
	for !l.stalled && !l.broken && len(l.pending) > 0 && len(l.pending)+len(p) > pendingMax {
		l.awaitRoom()
	}
	switch {
	case l.broken:
	case l.stalled:
		l.missed += int64(bytes.Count(p, []byte{'\n'}))
	default:
		l.pending = append(l.pending, p...)
		l.signal()
	}
	return len(p), nil
}

// awaitRoom waits until the console has taken lines, or finds it stalled. It is called with mu held and returns with mu held.
func (l *Live) awaitRoom() {
	taken := l.taken
	l.mu.Unlock()
	stall := time.NewTimer(stallAfter)
	select {
	case <-taken:
	case <-stall.C:
	}
	stall.Stop()
	l.mu.Lock()
	l.stalled = l.stalled || taken == l.taken // nothing was taken meanwhile
}

// Run draws until ctx is done, then writes what is pending, clears the live line and returns; the cursor is then in column
// one. A console that takes nothing for a second is left behind, with the one goroutine that is stuck in its write.
func (l *Live) Run(ctx context.Context) {
	var resized <-chan os.Signal
	if l.resizes != nil {
		var unsubscribe func()
		resized, unsubscribe = l.resizes()
		defer unsubscribe()
	}
	stop, done := make(chan struct{}), make(chan struct{})
	l.mu.Lock()
	l.running = true
	l.mu.Unlock()
	go func() { // ends with stop, or when a write that hangs now returns
		defer close(done)
		l.draw(stop, resized)
	}()
	<-ctx.Done()
	close(stop)
	for {
		l.mu.Lock()
		taken := l.taken
		l.mu.Unlock()
		stall := time.NewTimer(stallAfter)
		select {
		case <-done:
		case <-taken:
			stall.Stop()
			continue
		case <-stall.C:
		}
		stall.Stop()
		break
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = false
	select {
	case <-done:
	default:
		l.broken = true // draw still owns the console
	}
}

// draw writes lines as they come and the live line as often as it changes. It sleeps while there is nothing to show.
func (l *Live) draw(stop <-chan struct{}, resized <-chan os.Signal) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		resize, last := false, false
		select {
		case <-l.wake:
		case <-timer.C:
		case <-resized:
			resize = true
		case <-stop:
			last = true
		}
		next := l.flush(resize, last)
		if last {
			return
		}
		if next > 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
	}
}

// flush writes the pending lines and the live line if that is due, and returns the time until it is due again, 0 for not
// before something happens.
func (l *Live) flush(resize, last bool) time.Duration {
	width := 0
	if l.terminal != nil {
		if width = l.terminal(); width == elsewhere {
			l.drawn = false // whoever has the terminal now has cleared it, or wrote over it
		}
	}
	now := time.Now()
	l.mu.Lock()
	lines := l.pending
	l.pending = nil
	due := l.terminal != nil && l.line.due(now) <= 0
	var live []byte
	if l.terminal != nil && !last && (due || resize || len(lines) > 0) {
		live = l.line.render(now, width, l.colour)
	}
	next := l.line.due(now)
	broken := l.broken
	l.mu.Unlock()
	if broken || l.terminal == nil && len(lines) == 0 {
		return 0
	}
	if len(lines) > 0 || due || resize || last {
		for more := true; more; more = len(lines) > 0 {
			var piece []byte
			piece, lines = cutPiece(lines)
			if err := l.emit(piece, live); !l.took(err) {
				return 0
			}
		}
	}
	if l.terminal == nil {
		return 0
	}
	return next
}

// took notes how a write ended, and reports whether the console takes more. When it had stalled, what it missed is told next.
func (l *Live) took(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err != nil
	close(l.taken)
	l.taken = make(chan struct{})
	if l.stalled {
		l.stalled = false
		if l.missed > 0 {
			l.pending = append(l.pending, missedLine(l.missed)...)
			l.missed = 0
		}
		l.signal()
	}
	return err == nil
}

// cutPiece splits whole lines into the first ones, pieceMost bytes at most, and the rest. What begins with a line that is longer
// is left whole.
func cutPiece(lines []byte) (piece, rest []byte) {
	if len(lines) <= pieceMost {
		return lines, nil
	}
	end := bytes.LastIndexByte(lines[:pieceMost], '\n') + 1
	if end == 0 {
		return lines, nil
	}
	return lines[:end], lines[end:]
}

func missedLine(n int64) []byte {
	b := append([]byte(nil), "… "...)
	b = appendCounted(b, n, "line")
	return append(b, " not shown here: the console took none; see the log file\n"...)
}

// emit replaces the live line on the screen by lines and a new live line, in one write so that no half is ever seen.
func (l *Live) emit(lines, live []byte) error {
	if !l.drawn && len(live) == 0 {
		if len(lines) == 0 {
			return nil
		}
		return l.writeAll(lines)
	}
	b := make([]byte, 0, len(lines)+len(live)+32)
	if l.drawn {
		b = append(b, "\r\x1b[J"...) // from column one, clear to the end of the screen
	}
	b = append(b, lines...)
	if len(live) > 0 {
		// No automatic wrap, should the terminal have become narrower since it was measured.
		b = append(b, "\x1b[?7l"...)
		b = append(b, live...)
		b = append(b, "\x1b[?7h\r"...)
	}
	l.drawn = len(live) > 0
	return l.writeAll(b)
}

func (l *Live) writeAll(b []byte) error {
	for {
		n, err := l.out.Write(b)
		if !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		b = b[n:]
		pause := time.NewTimer(retryEvery)
		<-pause.C
	}
}

// signal is called with mu held.
func (l *Live) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Progress shows p from the second after the first call on, until EndProgress. It costs a lock.
func (l *Live) Progress(p Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line.setProgress(p, time.Now) {
		l.signal()
	}
}

// EndProgress gives the live line back to the state.
func (l *Live) EndProgress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line.endProgress() {
		l.signal()
	}
}

// State shows s while there is no progress to show.
func (l *Live) State(s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line.setState(s) {
		l.signal()
	}
}
