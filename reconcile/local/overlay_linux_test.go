package local

import (
	"os"
	"testing"
)

// TestOverLowerFolders: what comes in the place of a folder in the lower layer of
// an overlay, which can neither be renamed nor exchanged, does so all the same.
//
// Scenarios: E21, F2, S15.
func TestOverLowerFolders(t *testing.T) {
	dir := t.TempDir()
	lower, layers, merged := dir+"/lower", dir+"/layers", dir+"/merged"
	for _, folder := range []string{"to-file", "to-symlink", "to-other"} {
		write(t, lower+"/replica/"+folder+"/sub/file", "old")
	}
	write(t, lower+"/replica/to-folder", "old")
	mountAt(t, "tmpfs", layers, "tmpfs", 0, "")
	ok(t, os.Mkdir(layers+"/upper", 0o755))
	ok(t, os.Mkdir(layers+"/work", 0o755))
	mountAt(t, "overlay", merged, "overlay", 0, "lowerdir="+lower+",upperdir="+layers+"/upper,workdir="+layers+"/work")
	write(t, dir+"/source/to-file", "new")
	ok(t, os.Symlink("text", dir+"/source/to-symlink"))
	write(t, dir+"/source/to-folder/file", "new")
	write(t, dir+"/source/to-other/sub", "new")
	s, r := sourceAt(t, dir+"/source"), replicaAt(t, merged+"/replica", ReplicaOptions{})
	equal(t, s, r)
	if n := len(r.temps.names); n != 0 {
		t.Errorf("%d temps are alive still", n)
	}
}
