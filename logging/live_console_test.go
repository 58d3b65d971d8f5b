package logging

// Consoles that take little, nothing, or take it late.

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLiveBrokenTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(80)
		l := liveOn(s)
		stop := startLive(l)
		l.State(State{Equal: true, Proved: time.Now()})
		after(0)
		s.mu.Lock()
		s.fail, s.writes = syscall.EIO, 0
		s.mu.Unlock()
		for range 1000 {
			fmt.Fprintln(l, "line")
			after(time.Second)
		}
		stop()
		if n := s.written(); n != 1 {
			t.Errorf("%d writes to a terminal that went away, want 1", n)
		}
	})
}

// hesitant takes a few bytes at a time and says EAGAIN in between.
type hesitant struct{ got []byte }

func (h *hesitant) Write(p []byte) (int, error) {
	n := min(len(p), 5)
	h.got = append(h.got, p[:n]...)
	if n < len(p) {
		return n, fmt.Errorf("write: %w", syscall.EAGAIN)
	}
	return n, nil
}

func TestLiveTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hesitant
		l := newLive(&h)
		stop := startLive(l)
		after(0)
		fmt.Fprintln(l, "all of this gets through")
		stop()
		if string(h.got) != "all of this gets through\n" {
			t.Errorf("got %q", h.got)
		}
	})
}

// stuck takes nothing until it is freed.
type stuck chan struct{}

func (s stuck) Write([]byte) (int, error) {
	<-s
	return 0, errors.New("freed")
}

func TestLiveLeavesStuckConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := make(stuck)
		l := newLive(s)
		stop := startLive(l)
		after(0)
		fmt.Fprintln(l, "line")
		begun := time.Now()
		stop()
		if d := time.Since(begun); d != stallAfter {
			t.Errorf("stop took %v, want %v", d, stallAfter)
		}
		fmt.Fprintln(l, "after") // does not wait for the console
		close(s)
	})
}

// slow is a console that takes perSecond bytes in a second.
type slow struct {
	perSecond int
	got       strings.Builder
}

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(time.Duration(len(p)) * time.Second / time.Duration(s.perSecond)) // on the fake clock
	return s.got.Write(p)
}

// TestLiveSlowConsole: one that takes something all the time gets every line, however much waits for it, in the end too.
func TestLiveSlowConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{perSecond: 16 << 10}
		l := newLive(s)
		stop := startLive(l)
		var want strings.Builder
		for i := 0; want.Len() < 3*pendingMax; i++ {
			fmt.Fprintf(io.MultiWriter(&want, l), "line %d\n", i)
		}
		stop()
		if got := s.got.String(); got != want.String() {
			t.Errorf("%d bytes of %d, the last ones %q", len(got), want.Len(), got[max(0, len(got)-200):])
		}
	})
}

// TestLiveStallsOnce: a console that takes nothing costs the stall time once, however much is told.
func TestLiveStallsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := make(stuck)
		l := newLive(s)
		defer startLive(l)()
		defer close(s)
		began := time.Now()
		const line = "some line\n"
		for range 3 * pendingMax / len(line) {
			fmt.Fprint(l, line)
		}
		if d := time.Since(began); d != stallAfter {
			t.Errorf("telling took %v with a console that takes nothing", d)
		}
	})
}
