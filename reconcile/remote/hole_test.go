package remote_test

import (
	"context"
	"io"
	"path/filepath"
	"testing"
	"time"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// roomy is a replica on a file system that takes files of any size, as long as
// they are holes: it needs only to know that the content is the one that was
// offered.
type roomy struct{ tree.Replica }

func (roomy) Apply(_ context.Context, actions []tree.Action) []tree.Outcome {
	outcomes := make([]tree.Outcome, len(actions))
	for i := range actions {
		c, err := actions[i].Open()
		if err == nil {
			err = c.Changed()
			c.Close()
		}
		outcomes[i].Err = err
	}
	return outcomes
}

// TestEndlessHole (X26): a hole of 4 EiB costs a few bytes to say, and days to
// hash. Who asks for that can be told to stop.
func TestEndlessHole(t *testing.T) {
	const size = 1 << 62
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	p.folder.Replica = roomy{p.folder.Replica}
	u := upload(t, raw(t, p), copyAction("hole", size))
	digest := tree.HashContent(nil)
	u.say(steps(&wire.Step{Planned: true, Chunks: []*wire.Chunk{{Length: size, Hole: true}}, Last: true, Digest: digest[:]}))
	u.say(&wire.ApplyRequest{Cancel: true})
	if errs := u.ends(); len(errs) != 1 || errs[0] == nil {
		t.Error(errs)
	}
}

// fickle is a replica that begins to read a content behind its first hole, and
// then reads it once more, as one does that compares it before it writes it.
type fickle struct{ tree.Replica }

func (fickle) Apply(_ context.Context, actions []tree.Action) []tree.Outcome {
	outcomes := make([]tree.Outcome, len(actions))
	for i := range actions {
		c, err := actions[i].Open()
		if err != nil {
			outcomes[i].Err = err
			continue
		}
		start, end, err := c.Data(0)
		buf := make([]byte, end-start)
		for _, part := range [][]byte{buf[:len(buf)/2], buf} {
			if err == nil {
				_, err = c.ReadAt(part, start)
			}
		}
		if err == nil {
			err = c.Changed()
		}
		c.Close()
		outcomes[i].Err = err
	}
	return outcomes
}

// TestHashedAgain: what was not read in one go is read once more for its digest,
// and of that no holes.
func TestHashedAgain(t *testing.T) {
	const hole, megabyte = 1 << 40, 1 << 20
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	p.folder.Replica = fickle{p.folder.Replica}
	data := bytesOf(1, megabyte)
	var h tree.ContentHash
	h.Zeros(hole)
	h.Write(data)
	digest, name := h.Sum(), wire.ChunkIDOf(tree.HashContent(data))

	update := copyAction("hole", hole+megabyte)
	update.Kind, update.Over = uint32(tree.Update), uint32(tree.File)
	u := upload(t, raw(t, p), update)
	u.say(steps(&wire.Step{
		Planned: true, Last: true, Digest: digest[:],
		Chunks: []*wire.Chunk{{Length: hole, Hole: true}, {Length: megabyte, Digest: name[:]}},
	}))
	u.sends(data)
	succeeds(t, u)
}

// endless is a content that is one hole.
type endless struct{ grained }

func (endless) Entry() tree.Entry { return tree.Entry{Kind: tree.File, Mode: 0o644, Size: 1 << 62} }

func (endless) Data(int64) (start, end int64, err error) { return 0, 0, io.EOF }

// TestEndlessHoleOfTheSource (O1): nor does the client hash it to its end when it
// is told to stop.
func TestEndlessHoleOfTheSource(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	action := tree.Action{
		Kind: tree.Copy, Path: "hole", Want: endless{}.Entry(), Open: func() (tree.Content, error) { return endless{}, nil },
	}
	if out := p.open(client.Options{}).Apply(ctx, []tree.Action{action}); out[0].Err == nil {
		t.Errorf("%+v", out)
	}
}
