package local

import (
	"os"
	"testing"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree/treetest"
)

// TestRightsThatComeMeanwhile: a folder is opened without the right to list it,
// and another worker gives it that mode before it is asked which it has.
func TestRightsThatComeMeanwhile(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	root := t.TempDir()
	ok(t, os.Mkdir(root+"/x", 0))
	r, err := OpenReplica(root, ReplicaOptions{Durability: NeverSync})
	ok(t, err)
	defer r.Close()
	f := &folder{path: "x"}
	f.dir, err = r.root.Sub("x", at.OneMount)
	ok(t, err)
	defer func() { f.close() }()
	ok(t, os.Chmod(root+"/x", 0o755))
	ok(t, f.borrow(r, toList))
	if _, err := f.dir.Names(nil); err != nil || f.loan != nil {
		t.Errorf("%v, lent %v", err, f.loan)
	}
}
