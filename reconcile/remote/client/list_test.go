package client

import (
	"fmt"
	"testing"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// TestListingIsBounded: a listing that never ends is given up.
func TestListingIsBounded(t *testing.T) {
	const room = 100_000
	l := listing{room: room}
	size := 0
	for i := 0; ; i++ {
		e := tree.Entry{Name: fmt.Sprintf("%09d", i), Kind: tree.File, Xattrs: []tree.Xattr{{Name: "user.x", Value: "value"}}}
		size += wire.ListedSize(e, nil)
		err := l.add(&wire.Listed{Entry: wire.FromEntry(e)})
		if fits := size <= room; fits != (err == nil) {
			t.Fatalf("after %d bytes: %v", size, err)
		}
		if err != nil {
			break
		}
	}
}
