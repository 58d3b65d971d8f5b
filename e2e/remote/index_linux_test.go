package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestDamagedIndex: a server whose index is damaged while it runs goes on, with
// a new one, and tells it once.
func TestDamagedIndex(t *testing.T) {
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica := sample(t), filepath.Join(t.TempDir(), "replica")
	p, url := served(t, server, replica, "127.0.0.1:"+freePort(t), client)
	push := func() {
		t.Helper()
		if code, said := client.once(nil, source, url); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		equal(t, source, replica)
	}
	push()
	indexes, err := filepath.Glob(filepath.Join(server.home, ".cache", "lockstep", "serve-*", "index"))
	if err != nil || len(indexes) != 1 {
		t.Fatalf("indexes: %q, %v", indexes, err)
	}
	damaged, err := os.OpenFile(indexes[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer damaged.Close()
	const page = 4096
	if _, err := damaged.WriteAt(make([]byte, 20*page), 2*page); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "another"), "content of another")
	push()
	awaitClass(t, p, "index_damaged")
	push()
	if n := count(t, p, "index_damaged"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
	before, err := damaged.Stat()
	now, err2 := os.Stat(indexes[0])
	if err := errors.Join(err, err2); err != nil || os.SameFile(before, now) || before.Size() > 0 {
		t.Errorf("the index is not begun anew: %v", err)
	}
}
