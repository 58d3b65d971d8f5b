//go:build !linux

package treetest

import (
	"os"
	"testing"
)

// AsUser reports that this is an ordinary user, or skips the test.
func AsUser(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("must not be root; only on Linux does the test become somebody else")
	}
	return true
}
