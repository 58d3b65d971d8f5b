package local

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// gapped is content that says where its holes are, as many blocks long as there are letters: d is data, h a hole, and m has
// some of both.
func gapped(layout string, tail int) (content []byte, data []span) {
	r := rand.New(rand.NewPCG(1, uint64(len(layout))))
	content = make([]byte, len(layout)*piece-tail)
	add := func(start, end int) {
		end = min(end, len(content))
		for i := start; i < end; i++ {
			content[i] = byte(r.Uint32())
		}
		if n := len(data); n > 0 && data[n-1].end == int64(start) {
			data[n-1].end = int64(end)
		} else {
			data = append(data, span{int64(start), int64(end)})
		}
	}
	for i, kind := range layout {
		start := i * piece
		switch kind {
		case 'd':
			add(start, start+piece)
		case 'm':
			add(start+page, start+3*page)
			add(start+piece/2, start+piece)
		}
	}
	return content, data
}

// ranges answers as a file system that has holes.
type ranges []span

func (r ranges) Data(offset int64) (start, end int64, err error) {
	for _, s := range r {
		if offset < s.end {
			return max(offset, s.start), s.end, nil
		}
	}
	return 0, 0, io.EOF
}

func TestContentGoesInBlocks(t *testing.T) {
	for _, layout := range []string{"dd", "dh", "hd", "hhh", "mm", "dmhmd", "hmdddddddddddddddddddddddddddddddddddddddm"} {
		for _, tail := range []int{0, 1, piece - 1} {
			t.Run(fmt.Sprintf("%s-%d", layout, tail), func(t *testing.T) {
				want, data := gapped(layout, tail)
				folder := t.TempDir()
				ok(t, os.WriteFile(filepath.Join(folder, "from"), want, 0o600))
				d, err := at.Open(folder)
				ok(t, err)
				defer d.Close()
				from, err := d.OpenFile("from")
				ok(t, err)
				defer from.Close()
				to, err := d.CreateFile("to")
				ok(t, err)
				defer to.Close()
				ok(t, to.Truncate(int64(len(want))))

				c := transfer{ctx: context.Background(), size: int64(len(want)), hash: true}
				digest, err := c.inBlocks(from, &spans{of: ranges(data)}, to)
				ok(t, err)
				if digest != tree.HashContent(want) {
					t.Error("another digest than that of the content")
				}
				got, err := os.ReadFile(filepath.Join(folder, "to"))
				ok(t, err)
				if string(got) != string(want) {
					t.Error("another content arrived")
				}
				if again, err := c.inBlocks(from, &spans{of: ranges(data)}, nil); err != nil || again != digest {
					t.Errorf("without writing: another digest, %v", err)
				}
			})
		}
	}
}

// TestSpansAsk: each range of data is asked for once, and told block by block.
func TestSpansAsk(t *testing.T) {
	const end = 4 * piece
	asked := counting{of: ranges{{page, piece + page}, {2 * piece, end}}}
	s := spans{of: &asked}
	var got [][]span
	for at := int64(0); at < end; at += piece {
		data, err := s.within(span{at, at + piece})
		ok(t, err)
		got = append(got, data)
	}
	want := [][]span{{{page, piece}}, {{piece, piece + page}}, {{2 * piece, 3 * piece}}, {{3 * piece, end}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(span{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if asked.times != 2 {
		t.Errorf("asked %d times, want 2", asked.times)
	}
}

type counting struct {
	of    ranges
	times int
}

func (c *counting) Data(offset int64) (start, end int64, err error) {
	c.times++
	return c.of.Data(offset)
}
