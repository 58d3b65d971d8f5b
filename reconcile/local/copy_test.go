package local

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// remote is a content of 4 EiB that no file of this machine has: one piece of
// data at its beginning, and then a hole.
type remote struct{ broken error }

func (remote) Entry() tree.Entry { return tree.Entry{Kind: tree.File, Size: 1 << 62} }
func (remote) Changed() error    { return nil }
func (remote) Close() error      { return nil }

func (c remote) ReadAt(p []byte, _ int64) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	return len(p), nil
}

func (remote) Data(offset int64) (start, end int64, err error) {
	if offset >= piece {
		return 0, 0, io.EOF
	}
	return offset, piece, nil
}

// A hole that takes days to hash is not hashed to its end when the call is given
// up, or when what comes before it goes wrong. Scenarios: O1.
func TestEndlessHole(t *testing.T) {
	d, err := at.Open(t.TempDir())
	ok(t, err)
	defer d.Close()
	to, err := d.CreateFile("to")
	ok(t, err)
	defer to.Close()
	broken := errors.New("broken")
	for name, test := range map[string]struct{ broken, want error }{
		"given up":   {nil, context.DeadlineExceeded},
		"goes wrong": {broken, broken},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			c := transfer{ctx: ctx, from: remote{test.broken}, to: to, size: 1 << 62, hash: true}
			if _, err := c.hashed(); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// A file that was emptied since it was opened is not published as zeros, even where
// a part of it would be. Scenarios: C4.
func TestEmptiedMeanwhile(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	f := folderOf(t, s, tree.Root)
	for name, size := range map[string]int{"short": piece / 2, "long": 3 * piece} {
		for _, hash := range []bool{true, false} {
			write(t, source+"/"+name, strings.Repeat("content ", size/8))
			open := func() (tree.Content, error) {
				c, err := f.Open(name)
				ok(t, err)
				return c, os.Truncate(source+"/"+name, 0)
			}
			out := r.Apply(t.Context(), []tree.Action{{Kind: tree.Copy, Path: tree.Path(name), Open: open, Hash: hash, Unsettled: true}})[0]
			if !errors.Is(out.Err, tree.ErrChanged) {
				t.Errorf("%s: %+v", name, out)
			}
		}
	}
	if names, err := os.ReadDir(replica); err != nil || len(names) > 0 {
		t.Errorf("the replica has %v, %v", names, err)
	}
}
