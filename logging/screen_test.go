package logging

import (
	"fmt"
	"strings"
	"sync"

	"github.com/mattn/go-runewidth"
	"github.com/rivo/uniseg"
)

// screen is a terminal with endless lines that wraps what is too wide and, like most, flows wrapped lines anew when its
// width changes. It understands what a [Live] may send and panics at anything else.
type screen struct {
	mu     sync.Mutex
	width  int
	rows   []row
	y, x   int
	noWrap bool
	writes int
	fail   error // returned by the next writes
}

type row struct {
	cells     []string // one column each; the second one of a wide character is empty
	continues bool     // was wrapped: the next row belongs to the same line
}

func newScreen(width int) *screen { return &screen{width: width, rows: make([]row, 1)} }

func (s *screen) columns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.fail != nil {
		return 0, s.fail
	}
	for in := string(p); in != ""; {
		if rest, ok := s.control(in); ok {
			in = rest
			continue
		}
		cluster, rest, _, _ := uniseg.FirstGraphemeClusterInString(in, -1)
		s.put(cluster)
		in = rest
	}
	return len(p), nil
}

func (s *screen) control(in string) (rest string, ok bool) {
	switch {
	case in[0] == '\r':
		s.x = 0
		// A carriage return before a line feed belongs to no cluster here.
		return in[1:], true
	case in[0] == '\n': // a terminal in cooked mode adds the carriage return
		s.x, s.y = 0, s.y+1
		if s.y == len(s.rows) {
			s.rows = append(s.rows, row{})
		}
		return in[1:], true
	case strings.HasPrefix(in, "\x1b[J"):
		s.rows = s.rows[:s.y+1]
		s.rows[s.y].cells = s.rows[s.y].cells[:min(s.x, len(s.rows[s.y].cells))]
		s.rows[s.y].continues = false
		return in[3:], true
	case strings.HasPrefix(in, "\x1b[?7l"), strings.HasPrefix(in, "\x1b[?7h"):
		s.noWrap = in[4] == 'l'
		return in[5:], true
	case strings.HasPrefix(in, "\x1b["):
		end := strings.IndexByte(in, 'm')
		if end < 0 || strings.Trim(in[2:end], "0123456789;") != "" {
			panic(fmt.Sprintf("unknown sequence %q", in[:min(len(in), 12)]))
		}
		return in[end+1:], true
	case in[0] < ' ':
		panic(fmt.Sprintf("control character %q", in[0]))
	}
	return in, false
}

func (s *screen) put(cluster string) {
	w := runewidth.StringWidth(cluster)
	if s.x+w > s.width {
		if s.noWrap {
			s.x = max(0, s.width-w)
		} else {
			s.rows[s.y].continues = true
			s.x, s.y = 0, s.y+1
			if s.y == len(s.rows) {
				s.rows = append(s.rows, row{})
			}
		}
	}
	r := &s.rows[s.y]
	for len(r.cells) < s.x+w {
		r.cells = append(r.cells, " ")
	}
	for i := range w {
		r.cells[s.x+i] = ""
	}
	r.cells[s.x] = cluster
	s.x += w
}

// resize flows all lines anew; the cursor stays with its character.
func (s *screen) resize(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, y, x := s.rows, s.y, s.x
	s.width, s.rows, s.y, s.x = width, make([]row, 1), 0, 0
	cy, cx := 0, 0
	for i, r := range old {
		for j, c := range r.cells {
			if i == y && j == x {
				cy, cx = s.y, s.x
			}
			if c != "" {
				s.put(c)
			}
		}
		if i == y && x >= len(r.cells) {
			cy, cx = s.y, s.x
		}
		if !r.continues && i < len(old)-1 {
			s.x, s.y = 0, s.y+1
			s.rows = append(s.rows, row{})
		}
	}
	s.y, s.x = cy, cx
}

// lines returns what stands on the screen, wrapped rows joined.
func (s *screen) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	whole := ""
	for _, r := range s.rows {
		whole += strings.Join(r.cells, "")
		if !r.continues {
			lines = append(lines, whole)
			whole = ""
		}
	}
	return lines
}

// last returns the number of rows of the last line and the cursor, counted from its first row.
func (s *screen) last() (rows, y, x int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := len(s.rows) - 1
	for first > 0 && s.rows[first-1].continues {
		first--
	}
	return len(s.rows) - first, s.y - first, s.x
}

func (s *screen) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}
