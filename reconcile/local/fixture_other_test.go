//go:build !linux

package local

import (
	"os"
	"testing"
)

// unprivileged reports that this is an ordinary user, or ends the test.
func unprivileged(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("must not be root; only on Linux does the test become somebody else")
	}
	return true
}
