package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// stamp is a time with a digit in every place.
var stamp = time.Unix(1_234_567_890, 123_456_789)

// Scenarios: C10.
func TestContract(t *testing.T) {
	for name, d := range map[string]Durability{"auto": Auto, "never": NeverSync, "always": Always} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			treetest.TestReplica(t, func(t *testing.T) (tree.Replica, treetest.Peek) {
				path := filepath.Join(t.TempDir(), "replica")
				return replicaAt(t, path, ReplicaOptions{Durability: d, Cache: t.TempDir()}), treetest.Peek(path)
			})
		})
	}
}

// TestContractAsUser runs the suite once more without privileges.
func TestContractAsUser(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	treetest.TestReplica(t, func(t *testing.T) (tree.Replica, treetest.Peek) {
		path := filepath.Join(t.TempDir(), "replica")
		return replicaAt(t, path, ReplicaOptions{}), treetest.Peek(path)
	})
}

func replicaAt(t testing.TB, path string, o ReplicaOptions) *Replica {
	t.Helper()
	r, err := OpenReplica(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// pass makes the replica's folder at path, and all below it, equal to the
// source's, in the way of a pass of the engine but simpler, and returns how
// many actions it took and what went wrong.
func pass(t testing.TB, s *Source, r *Replica, path tree.Path) (did int, problems []error) {
	t.Helper()
	f, err := s.Folder(path)
	ok(t, err)
	defer f.Close()
	list, err := f.List()
	ok(t, err)
	c, err := r.Compare(context.Background(), tree.Subject{Path: path, Folder: f, Entries: list})
	if err != nil {
		return 0, []error{fmt.Errorf("%q: %w", path, err)}
	}
	for _, p := range c.Problems {
		problems = append(problems, fmt.Errorf("%q: %w", path.Join(p.Name), p.Err))
	}
	var actions []tree.Action
	for _, d := range c.Drift {
		actions = append(actions, bring(f, path, d))
	}
	apply := func(actions ...tree.Action) {
		for i, out := range r.Apply(context.Background(), actions) {
			if out.Err != nil {
				problems = append(problems, fmt.Errorf("%q: %w", actions[i].Path, out.Err))
			}
			if out.Did != tree.None {
				did++
			}
		}
	}
	apply(actions...)
	for _, e := range list {
		if e.Kind == tree.Folder {
			n, more := pass(t, s, r, path.Join(e.Name))
			did, problems = did+n, append(problems, more...)
		}
	}
	self, err := f.Self()
	ok(t, err)
	apply(tree.Action{Kind: tree.Metadata, Path: path, Want: self, Follows: true})
	return did, problems
}

// bring returns the action for one difference.
func bring(f tree.SourceFolder, path tree.Path, d tree.Drift) tree.Action {
	a := tree.Action{Path: path.Join(d.Name()), Want: d.Want, Over: d.Have.Kind, Hash: true}
	a.Open = func() (tree.Content, error) { return f.Open(d.Name()) }
	switch {
	case d.Want.Kind == tree.Absent:
		a.Kind = tree.Remove
	case d.Want.Kind == tree.File && d.Have.Kind == tree.File && d.Differs&tree.OfContent == 0:
		a.Kind = tree.Metadata
	case d.Want.Kind == tree.File:
		a.Kind = tree.Update
	case d.Want.Kind == d.Have.Kind && d.Differs&tree.OfContent == 0:
		a.Kind = tree.Metadata
	default:
		a.Kind = tree.Create
	}
	return a
}

// equal passes once, and once more to see that nothing is left to do.
func equal(t testing.TB, s *Source, r *Replica) {
	t.Helper()
	if _, problems := pass(t, s, r, tree.Root); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	if did, problems := pass(t, s, r, tree.Root); did > 0 || len(problems) > 0 {
		t.Errorf("the second pass did %d, problems: %v", did, problems)
	}
}

// sourceAndReplica returns both, with their paths.
func sourceAndReplica(t testing.TB) (s *Source, source string, r *Replica, replica string) {
	t.Helper()
	dir := t.TempDir()
	source, replica = filepath.Join(dir, "source"), filepath.Join(dir, "replica")
	ok(t, os.Mkdir(source, 0o755))
	return sourceAt(t, source), source, replicaAt(t, replica, ReplicaOptions{}), replica
}

func TestOpenReplicaCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a/b/c")
	if r := replicaAt(t, path, ReplicaOptions{}); !r.Created() {
		t.Error("did not say so")
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
		t.Errorf("new replica holds %v, %v", entries, err)
	}
	file := filepath.Join(path, "file")
	write(t, file, "")
	if _, err := OpenReplica(file, ReplicaOptions{}); !errors.Is(err, at.ErrNotFolder) {
		t.Errorf("a file as replica: %v", err)
	}
}

func TestOpenReplicaLocks(t *testing.T) {
	path := t.TempDir()
	first, err := OpenReplica(path, ReplicaOptions{})
	ok(t, err)
	if first.Created() {
		t.Error("claims to have made what was there")
	}
	if _, err := OpenReplica(path+"/.", ReplicaOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	replicaAt(t, path, ReplicaOptions{ReadOnly: true}) // needs no lock
	ok(t, first.Close())
	replicaAt(t, path, ReplicaOptions{})
}

func TestOpenReplicaKeepsItsTime(t *testing.T) {
	path := t.TempDir()
	before, err := os.Stat(path)
	ok(t, err)
	replicaAt(t, path, ReplicaOptions{})
	if after, err := os.Stat(path); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("time went from %v to %v, %v", before.ModTime(), after.ModTime(), err)
	}
}

func TestReadOnlyReplica(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	s := treetest.NewSource()
	s.File("file", "x")
	for _, path := range []string{missing, t.TempDir()} {
		r := replicaAt(t, path, ReplicaOptions{ReadOnly: true})
		ctx := context.Background()
		out := r.Apply(ctx, []tree.Action{{Kind: tree.Copy, Path: "file", Want: s.Entry("file"), Open: s.Opener("file")}})
		if !errors.Is(out[0].Err, fs.ErrPermission) {
			t.Errorf("wrote: %+v", out[0])
		}
		folder, err := s.Folder(tree.Root)
		ok(t, err)
		list, err := folder.List()
		ok(t, err)
		c, err := r.Compare(ctx, tree.Subject{Folder: folder, Entries: list})
		if err != nil || len(c.Drift) != 1 {
			t.Errorf("compare: %+v, %v", c, err)
		}
		if n, err := r.Count(ctx, "file", 5); n != 0 || err != nil {
			t.Errorf("count: %d, %v", n, err)
		}
		if err := errors.Join(r.Check(), r.Flush(ctx)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the missing replica: %v", err)
	}
}

func TestCheckReplica(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica")
	r := replicaAt(t, path, ReplicaOptions{})
	ok(t, r.Check())
	ok(t, os.Rename(path, path+" moved"))
	if err := r.Check(); !errors.Is(err, tree.ErrReplicaReplaced) {
		t.Errorf("moved away: %v", err)
	}
	ok(t, os.Mkdir(path, 0o755))
	if err := r.Check(); !errors.Is(err, tree.ErrReplicaReplaced) {
		t.Errorf("another folder: %v", err)
	}
	ok(t, os.Remove(path))
	ok(t, os.Symlink(t.TempDir(), path))
	if err := r.Check(); !errors.Is(err, tree.ErrReplicaReplaced) {
		t.Errorf("symlink to another folder: %v", err)
	}
	ok(t, os.Remove(path))
	ok(t, os.Rename(path+" moved", path))
	ok(t, r.Check())
}
