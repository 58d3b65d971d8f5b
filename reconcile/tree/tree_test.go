package tree_test

import (
	"errors"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// A path in order is one of which every component is.
func TestPathCheck(t *testing.T) {
	long := strings.Repeat("n", tree.MaxName)
	for _, text := range []string{
		"", "a", "a/b", "a/b\xff", long, long + "/a", "a/" + long, ".a", "..a", "a.", "...", "a/.b/c",
		"/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "./a", "../a", "a/../b", "a\x00", "a/b\x00c", long + "n", "a/" + long + "n/b",
	} {
		var want error
		if text != "" {
			for name := range strings.SplitSeq(text, "/") {
				want = errors.Join(want, tree.CheckName(name))
			}
		}
		if err := tree.Path(text).Check(); (err == nil) != (want == nil) {
			t.Errorf("Check of %.20q: %v, of its components: %v", text, err, want)
		}
	}
}
