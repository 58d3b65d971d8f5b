package remote_test

import (
	"context"
	"path/filepath"
	"testing"

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
