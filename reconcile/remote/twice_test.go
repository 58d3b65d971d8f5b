package remote_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/tree"
)

// attributes is about what a file costs besides its content.
const attributes = 250

var equalFiles = []struct {
	name        string
	files, size int
}{
	{"tiny", 40, chunk.Least},
	{"small", 40, 10_000},
	{"in chunks", 5, 900_000},
	{"large", 2, 9 << 20},
}

// TestEqualFilesInOneBatch: what several files of a batch have is sent once,
// however large they are and whatever comes between them.
func TestEqualFilesInOneBatch(t *testing.T) {
	const copies = 20
	for _, c := range equalFiles {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for i := range c.files {
				for j := range copies {
					write(t, filepath.Join(root, fmt.Sprint(i%3, " ", j, " ", i)), bytesOf(uint64(i), c.size))
				}
			}
			p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
			r := p.open(client.Options{})
			actions := copyAll(t, root)
			p.wire()
			for i, o := range r.Apply(t.Context(), actions) {
				if o.Err != nil {
					t.Fatalf("%q: %v", actions[i].Path, o.Err)
				}
			}
			cost, once := p.wire(), c.files*c.size
			if most := once + once/50 + attributes*len(actions) + 64<<10; cost > int64(most) {
				t.Errorf("%d bytes on the wire, more than %d, for %d of which %d differ", cost, most, copies*once, once)
			}
			t.Logf("%d bytes on the wire for %d of which %d differ", cost, copies*once, once)
		})
	}
}

// copyAll returns actions that copy every file at the top of root.
func copyAll(t *testing.T, root string) (actions []tree.Action) {
	t.Helper()
	s, err := local.OpenSource(root)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Folder(tree.Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); s.Close() })
	entries, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		actions = append(actions, tree.Action{
			Kind: tree.Copy, Path: tree.Path(e.Name), Want: e, Hash: true,
			Open: func() (tree.Content, error) { return f.Open(e.Name) },
		})
	}
	return actions
}

// TestEqualFilesInOnePass: what several batches of a pass have in common is
// sent once, but for the little that two of them offer at the same moment in
// another order.
func TestEqualFilesInOnePass(t *testing.T) {
	const copies, workers = 20, 2
	for _, c := range equalFiles {
		t.Run(c.name, func(t *testing.T) {
			source := t.TempDir()
			for i := range c.files {
				for j := range copies {
					write(t, filepath.Join(source, fmt.Sprint("folder ", j), fmt.Sprint(i)), bytesOf(uint64(i), c.size))
				}
			}
			p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
			r := p.open(client.Options{})
			s, err := local.OpenSource(source)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			p.wire()
			report, err := reconcile.New(s, r, reconcile.Options{Workers: workers}).Once(t.Context())
			if err != nil || !report.Equal {
				t.Fatalf("%+v, %v", report, err)
			}
			cost, once := p.wire(), c.files*c.size
			if most := 2*once + attributes*c.files*copies + 64<<10; cost > int64(most) {
				t.Errorf("%d bytes on the wire, more than %d, for %d of which %d differ", cost, most, copies*once, once)
			}
			t.Logf("%d bytes on the wire for %d of which %d differ", cost, copies*once, once)
			equal(t, source, r)
		})
	}
}
