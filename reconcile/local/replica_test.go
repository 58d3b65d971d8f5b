package local_test

import (
	"path/filepath"
	"testing"

	"lockstep/reconcile/local"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

func TestContract(t *testing.T) {
	for name, d := range map[string]local.Durability{"auto": local.Auto, "never": local.NeverSync, "always": local.Always} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			treetest.TestReplica(t, func(t *testing.T) (tree.Replica, treetest.Peek) {
				path := filepath.Join(t.TempDir(), "replica")
				r, err := local.OpenReplica(path, local.ReplicaOptions{Durability: d, Cache: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				})
				return r, treetest.Peek(path)
			})
		})
	}
}
