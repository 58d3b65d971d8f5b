package remote_test

import (
	"path/filepath"
	"testing"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// TestReplica holds a replica behind a connection to the same contract as one
// on this machine.
func TestReplica(t *testing.T) {
	treetest.TestReplica(t, func(t *testing.T) (tree.Replica, treetest.Peek) {
		p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
		return p.open(client.Options{}), treetest.Peek(p.root)
	})
}
