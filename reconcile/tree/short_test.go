package tree_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// Files whose digests are made together have the digests that they have alone,
// whatever their contents and attributes.
func TestShortFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	traits := tree.Full()
	var s tree.ShortFiles
	for files := range 60 {
		leaves, want := make([]tree.Digest, files), make([]tree.Digest, files)
		for i := range files {
			content := bytes.Repeat([]byte{byte(i), 1}, random.IntN(1+tree.LongestTogether/2))
			e := tree.Entry{Kind: tree.File, Mode: uint32(i), Size: int64(len(content))}
			if random.IntN(8) == 0 {
				e.Xattrs = []tree.Xattr{{Name: "user.x", Value: strings.Repeat("v", random.IntN(3*tree.LongestTogether))}}
			}
			want[i] = traits.LeafDigest(e, tree.HashContent(content))
			s.Add(&traits, e, content, &leaves[i])
			clear(content) // is the caller's again
		}
		s.Flush()
		for i := range files {
			if leaves[i] != want[i] {
				t.Fatalf("file %d of %d: %v, want %v", i, files, leaves[i], want[i])
			}
		}
	}
}

func BenchmarkShortFiles(b *testing.B) {
	traits, content := tree.Full(), make([]byte, tree.LongestTogether)
	for _, n := range []int{370, 2 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var s tree.ShortFiles
			var leaf tree.Digest
			for b.Loop() {
				s.Add(&traits, tree.Entry{Kind: tree.File}, content[:n], &leaf)
			}
		})
	}
}
