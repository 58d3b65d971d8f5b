package local

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// FuzzCache puts any bytes in the place of a file of the cache. One of another version, or a damaged one, is as good as none; one
// that is whole is written again as it was read.
//
// Scenarios: O17.
func FuzzCache(f *testing.F) {
	whole := func(body string) []byte {
		sum := blake3.Sum256([]byte(body))
		return append([]byte(cacheMagic+body), sum[:]...)
	}
	entry := "\x01a" + strings.Repeat("\x07", fixedSize)
	f.Add([]byte{}, "")
	f.Add([]byte("lockstep digests 0\n"+entry), entry)
	f.Add(whole(entry), entry+"\x01b"+strings.Repeat("\xff", fixedSize))
	f.Add(whole(entry)[:40], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Add(whole("\x01b"), "\x00"+strings.Repeat("\x00", fixedSize)+entry+entry)
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, file []byte, body string) {
		c := openDigestCache(folder, at.Identity{}, tree.Traits{})
		path := c.file(tree.Root)
		put := func(data []byte) {
			t.Helper()
			ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
			ok(t, os.WriteFile(path, data, 0o600))
		}
		put(file)
		if known := c.load(tree.Root).known; len(known) > 0 && !bytes.HasPrefix(file, []byte(cacheMagic)) {
			t.Errorf("of a file of another version %d entries were read", len(known))
		}
		put(whole(body))
		known := c.load(tree.Root)
		for i := range known.known {
			if i > 0 && known.known[i-1].name >= known.known[i].name {
				t.Errorf("entries are out of order: %q, %q", known.known[i-1].name, known.known[i].name)
			}
		}
		c.store(&cachedFolder{path: tree.Root, next: known.known, changed: true})
		if again := c.load(tree.Root); len(again.known) != len(known.known) {
			t.Errorf("%d entries were written, %d read", len(known.known), len(again.known))
		}
	})
}
