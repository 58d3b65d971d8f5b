package local

import (
	"fmt"
	"os"
	"testing"
)

// TestUnnamedAreFew holds that new files get their names whether there are
// descriptors for them or not, and that all of those are given back.
//
// Scenarios: O2.
func TestUnnamedAreFew(t *testing.T) {
	for _, d := range []Durability{Auto, NeverSync, Always} {
		for _, most := range []int64{0, 1, 5, 1000} {
			t.Run(fmt.Sprint(d, most), func(t *testing.T) {
				dir := t.TempDir()
				ok(t, os.Mkdir(dir+"/source", 0o755))
				for i := range 3 * syncEach {
					write(t, fmt.Sprintf("%s/source/file-%d", dir, i), fmt.Sprint(i))
				}
				s, r := sourceAt(t, dir+"/source"), replicaAt(t, dir+"/replica", ReplicaOptions{Durability: d})
				if r.unnamed.most == 0 {
					t.Skip("this file system names every file")
				}
				r.unnamed.most = most
				equal(t, s, r)
				if n := r.unnamed.held.Load(); n != 0 {
					t.Errorf("%d are held still", n)
				}
				if n := len(r.temps.names); n != 0 {
					t.Errorf("%d temps are alive still", n)
				}
			})
		}
	}
}
