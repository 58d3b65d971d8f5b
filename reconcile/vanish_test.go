package reconcile

import (
	"context"
	"errors"
	"testing"

	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// torn is a replica that has one file more than the source, and is out of reach
// when the second folder is compared.
type torn struct{ tree.Replica }

func (torn) Traits() tree.Traits { return tree.Full() }
func (torn) ID() tree.ID         { return tree.ID{} }
func (torn) Check() error        { return nil }

func (torn) Look(_ context.Context, paths []tree.Path) []tree.Found {
	return make([]tree.Found, len(paths))
}

func (torn) Apply(_ context.Context, actions []tree.Action) []tree.Outcome {
	return make([]tree.Outcome, len(actions))
}

func (torn) Compare(_ context.Context, s tree.Subject) (tree.Comparison, error) {
	if s.Path != tree.Root {
		return tree.Comparison{}, tree.ErrUnreachable
	}
	extra := tree.Drift{Differs: tree.OfExistence, Want: tree.Entry{Name: "extra"}, Have: tree.Entry{Name: "extra", Kind: tree.File, Size: 1}}
	return tree.Comparison{Leaves: make([]tree.Digest, len(s.Entries)), Drift: []tree.Drift{extra}}, nil
}

// What a pass found additional and did not come to remove is not remembered.
func TestAPassThatFailsLeavesNothingVanished(t *testing.T) {
	source := treetest.NewSource()
	source.AddFolder("folder")
	m := New(source, torn{}, Options{})
	for range 3 {
		if _, err := m.pass(t.Context(), AtStart); !errors.Is(err, tree.ErrUnreachable) {
			t.Fatalf("pass: %v", err)
		}
	}
	if len(m.gone.paths) > 0 {
		t.Errorf("remembered %v", m.gone.paths)
	}
}

// However often a path is wanted as the former name of another, it is not kept
// for long after that.
func TestPatienceIsBounded(t *testing.T) {
	m := New(treetest.NewSource(), traitsOnly{}, Options{})
	l := &look{item: &item{path: "a", history: &history{}}, have: tree.Entry{Kind: tree.File, Size: 1}}
	for range 20 {
		b := &batch{m: m}
		b.meetsGone(l)
		l.wanted = true
	}
	if l.patience > 2*maxAwaited {
		t.Errorf("waits for %v", l.patience)
	}
}
