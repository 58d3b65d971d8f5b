package local

import (
	"os"
	"runtime"
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

// TestModeThatIsSetMeanwhile: a folder gets its mode while another worker widens
// it, and has that mode in the end.
func TestModeThatIsSetMeanwhile(t *testing.T) {
	path := t.TempDir() + "/x"
	ok(t, os.Mkdir(path, 0o100))
	dir, err := at.Open(path)
	ok(t, err)
	defer dir.Close()
	self, err := dir.Self()
	ok(t, err)
	var l lending
	widened := make(chan *loan)
	ok(t, l.setMode(self.ID, 0o500, func(mode uint32) error {
		begun := make(chan struct{})
		go func() {
			close(begun)
			made, err := l.widen(dir, toWrite)
			if err != nil {
				t.Error(err)
			}
			widened <- made
		}()
		<-begun
		for range 100 {
			runtime.Gosched()
		}
		return dir.SetMode("", mode)
	}))
	(<-widened).giveBack()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
