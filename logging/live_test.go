package logging

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
)

// startLive runs live until stop, which returns when Run has. It returns when Run has begun.
func startLive(live *Live) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		live.Run(ctx)
	}()
	for running := false; !running; runtime.Gosched() {
		live.mu.Lock()
		running = live.running
		live.mu.Unlock()
	}
	return func() {
		cancel()
		<-done
	}
}

func liveOn(s *screen) *Live {
	l := newLive(s)
	l.terminal = s.columns
	return l
}

// after lets time pass in a bubble and all that follows from it happen.
func after(d time.Duration) {
	time.Sleep(d) // on the fake clock
	synctest.Wait()
}

// checkScreen holds that the screen shows exactly the lines, and the cursor at the start of the last one, which is not wrapped.
func checkScreen(t *testing.T, s *screen, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.lines()); diff != "" {
		t.Fatalf("screen (-want +got):\n%s", diff)
	}
	if rows, y, x := s.last(); rows != 1 || y != 0 || x != 0 {
		t.Fatalf("the last line has %d rows, the cursor is at row %d column %d of it", rows, y, x)
	}
}

func TestLiveStateBelowLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(70)
		l := liveOn(s)
		fmt.Fprintln(l, "before")
		stop := startLive(l)
		after(0)
		checkScreen(t, s, "before", "")
		proved := time.Now().Add(-12 * time.Second)
		l.State(State{Equal: true, Folders: 1204, Proved: proved})
		after(0)
		checkScreen(t, s, "before", "equal · 1,204 folders watched · proved 12 s ago")
		fmt.Fprintln(l, "copied")
		after(0)
		checkScreen(t, s, "before", "copied", "equal · 1,204 folders watched · proved 12 s ago")
		after(3 * time.Second)
		checkScreen(t, s, "before", "copied", "equal · 1,204 folders watched · proved 15 s ago")
		after(4 * time.Minute)
		checkScreen(t, s, "before", "copied", "equal · 1,204 folders watched · proved 4 min ago")
		stop()
		checkScreen(t, s, "before", "copied", "")
		fmt.Fprintln(l, "after")
		checkScreen(t, s, "before", "copied", "after", "")
	})
}

// In the background there is no live line, and what is typed at the shell's prompt stays; lines are shown as ever.
func TestLiveInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(70)
		l := liveOn(s)
		var background atomic.Bool
		l.terminal = func() int {
			if background.Load() {
				return elsewhere
			}
			return s.columns()
		}
		stop := startLive(l)
		l.State(State{Equal: true, Proved: time.Now()})
		after(0)
		checkScreen(t, s, "equal · proved 0 s ago")
		background.Store(true)
		fmt.Fprint(s, "\n$ typed ")
		before := s.written()
		after(time.Hour)
		if n := s.written() - before; n > 0 {
			t.Errorf("%d writes in the background", n)
		}
		fmt.Fprintln(l, "copied")
		after(0)
		background.Store(false)
		after(time.Hour)
		checkScreen(t, s, "equal · proved 0 s ago", "$ typed copied", "equal · proved 2 h ago")
		background.Store(true)
		fmt.Fprint(s, "\n$ typed")
		stop()
		if got := s.lines(); got[len(got)-1] != "$ typed" {
			t.Errorf("after the end: %q", got)
		}
	})
}

func TestStateWords(t *testing.T) {
	now := fixedClock()
	for _, tc := range []struct {
		state State
		want  string
	}{
		{State{}, "not proved yet"},
		{State{Folders: 1}, "not proved yet · 1 folder watched"},
		{State{Equal: true, Folders: 2048, Polled: 1024}, "equal · 2,048 folders watched (1,024 polled)"},
		{State{Equal: true, Waiting: 3, Proved: now.Add(-time.Hour)}, "3 paths waiting · proved 1 h ago"},
		{State{Problems: 2, Waiting: 1}, "2 problems · 1 path waiting"},
		{State{Held: "source is missing", Problems: 1}, "removals held: source is missing · 1 problem"},
		{State{Held: "x\x1b[2J\u202e"}, `removals held: x\x1b[2J\u202e`},
	} {
		if got, _ := tc.state.words(now); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.state, got, tc.want)
		}
	}
}

func TestLiveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(100)
		l := liveOn(s)
		defer startLive(l)()
		const mib = 1 << 20
		l.Progress(Progress{Label: "comparing"})
		after(900 * time.Millisecond)
		checkScreen(t, s, "")
		l.Progress(Progress{Label: "comparing", Files: 1000, Bytes: 100 * mib})
		after(100 * time.Millisecond)
		checkScreen(t, s, "comparing  1,000 files · 100 MiB · 100 MiB/s")
		for i := range int64(90) {
			after(time.Second / 10)
			l.Progress(Progress{"comparing", 1000 + 100*(i+1), 40000, 100*mib + 10*mib*(i+1), 4000 * mib})
		}
		after(0)
		checkScreen(t, s, "comparing  [===>              ]  9,900 of 40,000 files · 990 MiB of 3.9 GiB · 100 MiB/s · 30 s left")
		fmt.Fprintln(l, "copied")
		after(0)
		if lines := s.lines(); len(lines) != 2 || lines[0] != "copied" {
			t.Fatalf("screen: %q", lines)
		}
		l.State(State{Equal: true})
		l.EndProgress()
		after(0)
		checkScreen(t, s, "copied", "equal")
		// The next pass is short: it never shows.
		l.Progress(Progress{Files: 1})
		after(showAfter / 2)
		l.EndProgress()
		after(showAfter)
		checkScreen(t, s, "copied", "equal")
	})
}

// TestLiveIdle counts what an idle mirror costs.
func TestLiveIdle(t *testing.T) {
	for _, tc := range []struct {
		name  string
		state State
		most  int // writes in an hour
	}{
		{"proved", State{Equal: true, Proved: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}, 60 + 60 + 2},
		{"proved_never", State{Folders: 1}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScreen(80)
				l := liveOn(s)
				defer startLive(l)()
				l.State(tc.state)
				for range 60 {
					l.State(tc.state) // the same again is nothing new
					after(time.Minute)
				}
				if n := s.written(); n < 1 || n > tc.most {
					t.Errorf("%d writes in an hour, want at most %d", n, tc.most)
				}
			})
		})
	}
}

func TestLiveBusyState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(80)
		l := liveOn(s)
		defer startLive(l)()
		for i := range int64(10_000) {
			l.State(State{Waiting: i})
			after(time.Millisecond)
		}
		if n := s.written(); n > 12 {
			t.Errorf("%d writes in ten seconds of changing states", n)
		}
		after(stateEvery)
		checkScreen(t, s, "9,999 paths waiting")
	})
}

func TestLiveOffTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(80)
		l := newLive(s)
		stop := startLive(l)
		l.State(State{Equal: true, Proved: time.Now()})
		l.Progress(Progress{Files: 1})
		after(time.Minute)
		fmt.Fprintln(l, "copied")
		after(time.Minute)
		l.EndProgress()
		stop()
		checkScreen(t, s, "copied", "")
		if n := s.written(); n != 1 {
			t.Errorf("%d writes, want the line alone", n)
		}
	})
}

// TestLiveNeverGarbles does everything in random order, with names wide and long, and a terminal that changes its width.
func TestLiveNeverGarbles(t *testing.T) {
	words := []string{"a", "docs/日本語.txt", "e\u0301\u0302", "👨‍👩‍👧‍👦", strings.Repeat("long", 40), "ｆｕｌｌ"}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			s := newScreen(80)
			l := liveOn(s)
			stop := startLive(l)
			var lines []string
			for range 200 {
				switch random.IntN(7) {
				case 0, 1:
					lines = append(lines, words[random.IntN(len(words))])
					fmt.Fprintln(l, lines[len(lines)-1])
				case 2:
					l.State(State{Held: words[random.IntN(len(words))], Waiting: random.Int64N(5), Proved: time.Now()})
				case 3:
					n := random.Int64N(1 << 40)
					l.Progress(Progress{Label: words[random.IntN(3)], Files: n / 2, TotalFiles: n, Bytes: n, TotalBytes: n * random.Int64N(3)})
				case 4:
					l.EndProgress()
				case 5:
					after(time.Duration(random.Int64N(int64(2 * time.Second))))
				case 6:
					synctest.Wait()
					s.resize(2 + random.IntN(100))
					l.State(State{Waiting: -random.Int64N(100)})
					after(2 * time.Second)
				}
				synctest.Wait()
				got := s.lines()
				if !slices.Equal(got[:len(got)-1], lines) {
					t.Fatalf("seed %d: above the live line:\n%s", seed, cmp.Diff(lines, got[:len(got)-1]))
				}
				if rows, y, x := s.last(); rows != 1 || y != 0 || x != 0 {
					t.Fatalf("seed %d: live line of %d rows, cursor at %d, %d", seed, rows, y, x)
				}
			}
			stop()
			checkScreen(t, s, append(lines, "")...)
		})
	}
}

func TestLiveFitsEveryWidth(t *testing.T) {
	now := fixedClock()
	for width := range 130 {
		for _, total := range []int64{0, 1 << 41} {
			s := line{known: true, state: State{Held: "日本語 is missing", Problems: 2, Folders: 1204, Proved: now}}
			if w := runewidth.StringWidth(withoutColour(string(s.render(now, width, true)))); w > max(width-1, 0) {
				t.Errorf("state: %d columns on a terminal of %d", w, width)
			}
			s.setProgress(Progress{Label: "比較", Files: 1, TotalFiles: total, Bytes: 1, TotalBytes: total}, fixedClock)
			s.setProgress(Progress{Label: "比較", Files: 1e6, TotalFiles: total, Bytes: 1 << 40, TotalBytes: total}, nil)
			if w := runewidth.StringWidth(string(s.render(now.Add(showAfter), width, true))); w > max(width-1, 0) {
				t.Errorf("progress: %d columns on a terminal of %d", w, width)
			}
		}
	}
}

// TestLiveWidthOutdated: the terminal became narrower after it was measured.
func TestLiveWidthOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(20)
		l := liveOn(s)
		l.terminal = func() int { return 80 }
		stop := startLive(l)
		l.State(State{Equal: true, Folders: 1204, Proved: time.Now()})
		after(5 * time.Second)
		if rows, y, x := s.last(); rows != 1 || y != 0 || x != 0 {
			t.Errorf("live line of %d rows, cursor at %d, %d", rows, y, x)
		}
		stop()
		checkScreen(t, s, "")
	})
}

func TestLiveConcurrent(t *testing.T) {
	s := newScreen(60)
	l := liveOn(s)
	stop := startLive(l)
	var wg sync.WaitGroup
	const writers, each = 4, 500
	for w := range writers {
		wg.Go(func() {
			for i := range int64(each) {
				fmt.Fprintf(l, "writer %d line %d\n", w, i)
				l.Progress(Progress{Files: i})
				l.State(State{Waiting: i})
				if i%100 == 0 {
					l.EndProgress()
				}
			}
		})
	}
	wg.Wait()
	stop()
	next := make([]int, writers)
	for _, line := range s.lines() {
		var w, i int
		if line == "" {
			continue
		}
		if _, err := fmt.Sscanf(line, "writer %d line %d", &w, &i); err != nil || i != next[w] {
			t.Fatalf("line %q out of order or garbled (%v)", line, err)
		}
		next[w]++
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d has %d lines, want %d", w, n, each)
		}
	}
}
