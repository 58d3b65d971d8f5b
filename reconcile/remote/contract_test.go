package remote_test

import (
	"path/filepath"
	"testing"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// TestReplica holds a replica behind a connection to the same contract as one
// on this machine. Both sides have a cache, of which that of the client is of a
// source that no folder holds.
func TestReplica(t *testing.T) {
	treetest.TestReplica(t, func(t *testing.T) (tree.Replica, treetest.Peek) {
		p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
		p.folder.Cache = hastyCache(t, t.TempDir(), p.root)
		return p.open(client.Options{Cache: hastyCache(t, t.TempDir(), t.TempDir())}), treetest.Peek(p.root)
	})
}
