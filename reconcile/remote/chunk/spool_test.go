package chunk

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lockstep/reconcile/remote/wire"
)

// abandoned is one more content of so many bytes that did not become complete.
func abandoned(t *testing.T, s *Spool, number byte, size int) {
	t.Helper()
	f, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(wire.ChunkID{number}, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Release(Keep); err != nil {
		t.Fatal(err)
	}
}

// has reports which of so many contents of a size are in the spool.
func has(t *testing.T, s *Spool, contents, size int) (all []bool) {
	t.Helper()
	for i := range contents {
		f, _, ok := s.Find(wire.ChunkID{byte(i)}, int64(size))
		if ok {
			defer f.Release(Keep)
		}
		all = append(all, ok)
	}
	return all
}

// TestSpoolOfOneContent: of a content that is larger than what may be kept, the
// first part is, also for the next server.
func TestSpoolOfOneContent(t *testing.T) {
	const size, chunks, most = 1000, 5, 3
	folder := t.TempDir()
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	s.most = most*size + size/2
	f, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range chunks {
		if _, err := f.Append(wire.ChunkID{byte(i)}, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Release(Keep); err != nil {
		t.Fatal(err)
	}
	next, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Spool{s, next} {
		found := 0
		for i := range chunks {
			f, at, ok := s.Find(wire.ChunkID{byte(i)}, size)
			if !ok {
				continue
			}
			if n, _ := f.ReadAt(make([]byte, size), at); n == size {
				found++
			}
			if err := f.Release(Keep); err != nil {
				t.Error(err)
			}
		}
		if found != most {
			t.Errorf("%d chunks are there", found)
		}
	}
}

// TestSpoolIsBounded: a content that never becomes complete is kept as often as
// there is room for it, and no more.
func TestSpoolIsBounded(t *testing.T) {
	const size, contents, most = 1000, 10, 3
	folder := t.TempDir()
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	s.most = most*size + size/2
	for i := range contents {
		abandoned(t, s, byte(i), size)
	}
	for i, kept := range has(t, s, contents, size) {
		if kept != (i >= contents-most) {
			t.Errorf("content %d is kept: %v", i, kept)
		}
	}
	if names, _ := os.ReadDir(folder); len(names) != 2*most {
		t.Errorf("%d files are left", len(names))
	}

	// One that is used stays, however much there is.
	f, _, ok := s.Find(wire.ChunkID{contents - most}, size)
	if !ok {
		t.Fatal("it is gone")
	}
	for i := range contents {
		abandoned(t, s, byte(100+i), size)
	}
	if _, err := f.ReadAt(make([]byte, size), 0); err != nil {
		t.Errorf("while it is used: %v", err)
	}
	if err := f.Release(Drop); err != nil {
		t.Error(err)
	}
}

// TestSpoolLeft: a new process finds what is young, whatever its folder is
// called, and removes the rest.
func TestSpoolLeft(t *testing.T) {
	const size = 1000
	folder := filepath.Join(t.TempDir(), "[a-")
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	abandoned(t, s, 0, size)
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(folder), "?a-", "*"+dataSuffix))
	if err := os.Chtimes(old[0], time.Time{}, time.Now().Add(-2*maxSpoolAge)); err != nil {
		t.Fatal(err)
	}
	abandoned(t, s, 1, size)
	if s, err = OpenSpool(folder); err != nil {
		t.Fatal(err)
	}
	if all := has(t, s, 2, size); all[0] || !all[1] {
		t.Errorf("there are %v", all)
	}
	if names, _ := os.ReadDir(folder); len(names) != 2 {
		t.Errorf("%d files are left", len(names))
	}
}

// begun is a spool in that folder, and a content in it.
func begun(t *testing.T, folder string) (*Spool, *Spooled) {
	t.Helper()
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}
