package chunk

import (
	"os"
	"path/filepath"
	"testing"

	"lockstep/reconcile/remote/wire"
)

// TestSpareFolder: contents arrive although the spool's folder is gone for good,
// and leave nothing where they did.
func TestSpareFolder(t *testing.T) {
	cleared, spare := filepath.Join(t.TempDir(), "cleared"), t.TempDir()
	s, err := OpenSpool(filepath.Join(cleared, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	s.SpareIn(spare)
	if err := os.RemoveAll(cleared); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cleared, nil, 0o600); err != nil { // no folder can be made there
		t.Fatal(err)
	}
	f, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	name, told := wire.ChunkID{1}, []byte("content")
	at, err := f.Append(name, told)
	if err != nil {
		t.Fatal(err)
	}
	read := make([]byte, len(told))
	if _, err := f.ReadAt(read, at); err != nil || string(read) != string(told) {
		t.Errorf("read %q, %v", read, err)
	}
	if _, _, ok := s.Find(name, int64(len(told))); ok {
		t.Error("others find it, who may need it longer")
	}
	scratch, err := s.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(spare); err != nil || len(left) > 0 {
		t.Errorf("there is %v, %v", left, err)
	}
	if err := f.Release(Keep); err != nil {
		t.Error(err)
	}
	if err := scratch.Close(); err != nil {
		t.Error(err)
	}
}
