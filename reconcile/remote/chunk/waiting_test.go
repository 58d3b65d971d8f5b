package chunk

// An index of which the first pages are damaged keeps nobody waiting, and one that
// grows too long is begun anew.

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// inTime calls f and fails if it does not return.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s waits for ever", what)
	}
}

// TestFirstPagesDamaged: who writes while both of the first pages are damaged,
// and are met by who reads, is not left waiting, nor is anybody after that.
func TestFirstPagesDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	told := 0
	x, err := OpenIndex(path, func(error) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	x.Note(wholeFile(1))
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before, err := x.db.Begin(true) // who writes waits for that
	if err != nil {
		t.Fatal(err)
	}
	x.Note(wholeFile(2))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = x.Flush()
	}()
	inTime(t, "a writer", func() { // until it has begun
		for begun := false; !begun; {
			x.mu.Lock()
			begun = x.busy
			x.mu.Unlock()
		}
	})
	if _, err := f.WriteAt(make([]byte, 2*4096), 0); err != nil {
		t.Fatal(err)
	}
	inTime(t, "who reads", func() { x.Find(wholeFile(1).Chunks[0].Name) })
	if _, err := f.WriteAt(sound, 0); err != nil { // for the one before, to end
		t.Fatal(err)
	}
	if err := before.Rollback(); err != nil {
		t.Fatal(err)
	}
	inTime(t, "who writes", func() { <-written })
	x.Note(wholeFile(3))
	inTime(t, "who writes later", func() { err = x.Flush() })
	if err != nil || told != 1 {
		t.Errorf("%v; it was told %d times", err, told)
	}
	if p, ok := x.Find(wholeFile(3).Chunks[0].Name); !ok || p.Path != wholeFile(3).Path {
		t.Errorf("found %q, %v", p.Path, ok)
	}
	inTime(t, "the end", func() { err = x.Close() })
	if err != nil {
		t.Error(err)
	}
}

// TestIndexIsBounded: an index that has grown too large while it is open is
// begun anew, without a word.
func TestIndexIsBounded(t *testing.T) {
	const most = 1 << 20
	path := filepath.Join(t.TempDir(), "index")
	x, err := OpenIndex(path, unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	x.most = most
	for i := range 100_000 {
		f := wholeFile(i)
		if x.Note(f); i%1000 != 999 {
			continue
		}
		if err := x.Flush(); err != nil {
			t.Fatal(err)
		}
		x.Find(f.Chunks[0].Name)
		if err := x.db.View(func(tx *bbolt.Tx) error { // the file grows in large steps
			if tx.Size() > 2*most {
				t.Fatalf("%d bytes after %d files", tx.Size(), i)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	x.Note(wholeFile(0))
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	if p, ok := x.Find(wholeFile(0).Chunks[0].Name); !ok || p.Path != wholeFile(0).Path {
		t.Errorf("found %q, %v", p.Path, ok)
	}
}
