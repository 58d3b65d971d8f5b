package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// grained is a content in which data and holes take turns.
type grained struct {
	*bytes.Reader
	grain int64
}

func (g grained) Entry() tree.Entry {
	return tree.Entry{Name: "grained", Kind: tree.File, Mode: 0o644, Size: g.Size()}
}

func (g grained) Data(offset int64) (start, end int64, err error) {
	if in := offset % (2 * g.grain); in >= g.grain { // a hole
		offset += 2*g.grain - in
	}
	if offset >= g.Size() {
		return 0, 0, io.EOF
	}
	return offset, min(offset+g.grain-offset%g.grain, g.Size()), nil
}

func (grained) Changed() error { return nil }
func (grained) Close() error   { return nil }

// TestFineHoles: holes are as small as a block of the source's file system may
// be, which is 512 bytes.
func TestFineHoles(t *testing.T) {
	const size = 2 << 20
	for _, grain := range []int64{512, 1024, 4096} {
		p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
		content := bytesOf(1, size)
		for at := grain; at < size; at += 2 * grain {
			clear(content[at : at+grain])
		}
		g := grained{bytes.NewReader(content), grain}
		action := tree.Action{Kind: tree.Copy, Path: "grained", Want: g.Entry(), Open: func() (tree.Content, error) { return g, nil }}
		if out := p.open(client.Options{}).Apply(t.Context(), []tree.Action{action}); out[0].Err != nil {
			t.Errorf("holes of %d bytes: %v", grain, out[0].Err)
			continue
		}
		holds(t, filepath.Join(p.root, "grained"), content)
	}
}

// TestDelayedChunks: a server may be told of more chunks than one message has
// before it comes to any of them.
func TestDelayedChunks(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	known := bytesOf(1, 64<<10)
	write(t, filepath.Join(p.root, "known"), known)
	c := raw(t, p)
	list, err := c.List(t.Context(), &wire.ListRequest{Contents: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Recv(); err != nil {
		t.Fatal(err)
	}

	const megabyte, holes, messages = 1 << 20, 10_000, 3
	first, size := bytesOf(2, megabyte), int64(messages*holes*512)
	files := []*wire.Action{copyAction("first", megabyte)} // which all others wait for
	for i := range 5 {
		files = append(files, copyAction(fmt.Sprint("full ", i), megabyte))
	}
	last := len(files)
	u := upload(t, c, append(files, copyAction("holes", size))...)
	u.offers(0, first)
	for i := 1; i < last; i++ {
		if needed := u.offers(i, slices.Repeat([][]byte{known}, megabyte/len(known))...); slices.Contains(needed, true) {
			t.Fatal("it is there, and is needed")
		}
	}
	digest := tree.HashContent(make([]byte, size))
	step := &wire.Step{Index: uint32(last), Chunks: slices.Repeat([]*wire.Chunk{{Length: 512, Hole: true}}, holes)}
	for i := range messages {
		step.Planned = i == 0
		if step.Last = i == messages-1; step.Last {
			step.Digest = digest[:]
		}
		u.say(steps(step))
	}
	u.sends(first)
	succeeds(t, u)
	holds(t, filepath.Join(p.root, "holes"), make([]byte, size))
}

// noticed is a content that tells when it was read to its end.
type noticed struct {
	grained
	read func()
}

func (n noticed) Changed() error {
	n.read()
	return n.grained.Changed()
}

// unhurried is a replica that begins to read contents when all of them may.
type unhurried struct {
	tree.Replica
	begin <-chan struct{}
}

func (u unhurried) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	<-u.begin
	return u.Replica.Apply(ctx, actions)
}

// TestFineHolesAtOnce: nor is one refused that sends as many such files at once
// as it may, to a disk that takes its time.
func TestFineHolesAtOnce(t *testing.T) {
	const batches, grain, size = 8, 512, 10 << 20
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	begin := make(chan struct{})
	p.folder.Replica = unhurried{p.folder.Replica, begin}
	r := p.open(client.Options{})
	var read, done sync.WaitGroup
	for i := range batches {
		content := bytesOf(uint64(i), size)
		for at := grain; at < size; at += 2 * grain {
			clear(content[at : at+grain])
		}
		read.Add(1)
		told := sync.OnceFunc(read.Done)
		c := noticed{grained{bytes.NewReader(content), grain}, told}
		action := tree.Action{
			Kind: tree.Copy, Path: tree.Path(fmt.Sprint("grained ", i)), Want: c.Entry(),
			Open: func() (tree.Content, error) { return c, nil },
		}
		done.Go(func() {
			defer told()
			if out := r.Apply(t.Context(), []tree.Action{action}); out[0].Err != nil {
				t.Errorf("%s: %v", action.Path, out[0].Err)
				return
			}
			holds(t, filepath.Join(p.root, string(action.Path)), content)
		})
	}
	read.Wait()
	close(begin)
	done.Wait()
}
