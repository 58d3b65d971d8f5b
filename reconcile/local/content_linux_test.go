package local

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// TestFileOfTheKernel binds a file that says it is empty into the source.
// Scenarios: C16.
func TestFileOfTheKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a bind mount")
	}
	source, replica := t.TempDir(), t.TempDir()
	write(t, source+"/version", "")
	write(t, source+"/empty", "")
	ok(t, unix.Mount("/proc/version", source+"/version", "", unix.MS_BIND, ""))
	t.Cleanup(func() { ok(t, unix.Unmount(source+"/version", unix.MNT_DETACH)) })
	want, err := os.ReadFile("/proc/version")
	ok(t, err)

	s := sourceAt(t, source)
	r := replicaAt(t, replica, ReplicaOptions{})
	for range 2 { // the second time there is nothing to do
		equal(t, s, r)
	}
	if got, err := os.ReadFile(replica + "/version"); err != nil || string(got) != string(want) {
		t.Errorf("replica has %q, %v; want %q", got, err, want)
	}
	if drift, problems := pass(t, s, r, tree.Root); drift != 0 || problems != nil {
		t.Errorf("drift %d, problems %v", drift, problems)
	}
	if info, err := os.Stat(replica + "/empty"); err != nil || info.Size() != 0 {
		t.Errorf("empty file: %v, %v", info, err)
	}
}
