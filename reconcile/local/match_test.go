package local

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// Two files with the same bytes and with holes of their own are equal, and have the
// digest of the bytes; a byte in a hole makes them differ. Scenarios: C2.
func TestMatchOfHoles(t *testing.T) {
	long := strings.Repeat("h", 2*windowBlocks)
	for _, layout := range []string{"hh", "dh", "hd", "hhdhh", "mhhm", "hm" + long + "d" + long, long} {
		for _, tail := range []int{0, 1, piece / 3} {
			t.Run(fmt.Sprintf("%s-%d", layout, tail), func(t *testing.T) {
				folder := t.TempDir()
				content, data := gapped(layout, tail)
				sparse := func(name string) {
					f, err := os.Create(folder + "/" + name)
					ok(t, err)
					defer f.Close()
					ok(t, f.Truncate(int64(len(content))))
					for _, s := range data {
						_, err = f.WriteAt(content[s.start:s.end], s.start)
						ok(t, err)
					}
				}
				sparse("source")
				sparse("replica")
				ok(t, os.WriteFile(folder+"/full", content, 0o600))
				source := folderOf(t, sourceAt(t, folder), tree.Root)
				d, err := at.Open(folder)
				ok(t, err)
				defer d.Close()
				match := func(name string) (bool, tree.Digest) {
					c, err := source.Open("source")
					ok(t, err)
					defer c.Close()
					f, err := d.OpenFile(name)
					ok(t, err)
					defer f.Close()
					m := match{ctx: context.Background(), source: c, replica: f, size: int64(len(content)), hash: true}
					equal, digest, err := m.run()
					ok(t, err)
					return equal, digest
				}
				for _, name := range []string{"replica", "full"} {
					if equal, digest := match(name); !equal || digest != tree.HashContent(content) {
						t.Errorf("%s: %v, %v", name, equal, digest)
					}
				}
				f, err := os.OpenFile(folder+"/replica", os.O_WRONLY, 0)
				ok(t, err)
				defer f.Close()
				_, err = f.WriteAt([]byte("other"), int64(len(content)-5))
				ok(t, err)
				if equal, _ := match("replica"); equal {
					t.Error("another byte makes no difference")
				}
			})
		}
	}
}
