package chunk

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// TestPrune: what an index and a spool wrote goes when it is old, and nothing
// else; any name of the folder will do.
func TestPrune(t *testing.T) {
	place := filepath.Join(t.TempDir(), "[a-b")
	folder, index := filepath.Join(place, "spool"), filepath.Join(place, "index")
	x, err := OpenIndex(index, unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	arrived := []byte("arrived")
	name := wire.ChunkIDOf(tree.HashContent(arrived))
	f, err := s.Begin()
	if err == nil {
		_, err = f.Append(name, arrived)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Release(Keep); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(folder, "shopping.list")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files := []string{index, f.base + dataSuffix, f.base + listSuffix}
	prune := func(gone bool) {
		t.Helper()
		unused := func(info fs.FileInfo) bool { return time.Since(info.ModTime()) > time.Hour }
		PruneIndex(index, unused)
		PruneSpool(folder, unused)
		for _, file := range files {
			if _, err := os.Lstat(file); os.IsNotExist(err) != gone {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	prune(false)
	if s, err = OpenSpool(folder); err != nil {
		t.Fatal(err)
	}
	if f, _, ok := s.Find(name, int64(len(arrived))); !ok {
		t.Error("what arrived is not found again")
	} else if err := f.Release(Keep); err != nil {
		t.Error(err)
	}
	for _, file := range append(files, other) {
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	prune(true)
	if _, err := os.Lstat(other); err != nil {
		t.Errorf("of somebody else: %v", err)
	}
}
