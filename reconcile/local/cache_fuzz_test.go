package local

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"lockstep/reconcile/tree"
)

// FuzzCache puts any bytes in the place of a file of a cache of either kind. One of another kind or version, or a damaged one,
// is as good as none; one that is whole is written again as it was read.
//
// Scenarios: O17.
func FuzzCache(f *testing.F) {
	whole := func(of sides, body string) []byte {
		sum := blake3.Sum256([]byte(body))
		return append([]byte(cacheMagic[of]+body), sum[:]...)
	}
	for of := oneSide; of <= bothSides; of++ {
		entry := "\x01a" + strings.Repeat("\x07", of.fixedSize())
		f.Add([]byte{}, "")
		f.Add([]byte("lockstep digests 0\n"+entry), entry)
		f.Add(whole(of, entry), entry+"\x01b"+strings.Repeat("\xff", of.fixedSize()))
		f.Add(whole(of, entry)[:40], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
		f.Add(whole(of, "\x01b"), "\x00"+strings.Repeat("\x00", of.fixedSize())+entry+entry)
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, file []byte, body string) {
		for of := oneSide; of <= bothSides; of++ {
			c := &digestCache{path: folder, sides: of}
			path := c.file(tree.Root)
			put := func(data []byte) {
				t.Helper()
				ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
				ok(t, os.WriteFile(path, data, 0o600))
			}
			put(file)
			if known := c.load(tree.Root).known; len(known) > 0 && !bytes.HasPrefix(file, []byte(cacheMagic[of])) {
				t.Errorf("of a file of another kind or version %d entries were read", len(known))
			}
			put(whole(of, body))
			known := c.load(tree.Root)
			for i := range known.known {
				if i > 0 && known.known[i-1].name >= known.known[i].name {
					t.Errorf("entries are out of order: %q, %q", known.known[i-1].name, known.known[i].name)
				}
			}
			c.store(&cachedFolder{path: tree.Root, noted: known.known})
			if again := c.load(tree.Root); !slices.Equal(again.known, known.known) {
				t.Errorf("%d entries were written, %d read, or they differ", len(known.known), len(again.known))
			}
		}
	})
}
