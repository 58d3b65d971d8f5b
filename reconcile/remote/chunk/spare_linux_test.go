package chunk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
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

// TestFullSpool: what does not fit into the spool goes on in the spare folder,
// and a disk that is full has all its room back.
func TestFullSpool(t *testing.T) {
	folder, spare := t.TempDir(), t.TempDir()
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	abandoned(t, s, 1, 1000)
	f, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	begun, err := f.Append(wire.ChunkID{2}, []byte("begun"))
	if err != nil {
		t.Fatal(err)
	}
	roomy := f.data
	if f.data, err = os.OpenFile("/dev/full", os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	_, full := f.Append(wire.ChunkID{3}, []byte("rest"))
	f.data.Close()
	f.data = roomy
	if !tree.IsFull(full) {
		t.Fatal(full)
	}
	if _, err := s.Overflow(f, full); err != full {
		t.Errorf("there is no spare folder, and %v", err)
	}
	s.SpareIn(spare)
	rest, err := s.Overflow(f, full)
	if err != nil {
		t.Fatal(err)
	}
	at, err := rest.Append(wire.ChunkID{3}, []byte("rest"))
	if err != nil {
		t.Fatal(err)
	}
	for text, part := range map[string]struct {
		in     *Spooled
		offset int64
	}{"begun": {f, begun}, "rest": {rest, at}} {
		read := make([]byte, len(text))
		if _, err := part.in.ReadAt(read, part.offset); err != nil || string(read) != text {
			t.Errorf("%q, %v", read, err)
		}
	}
	if _, err := s.Overflow(rest, full); err != full {
		t.Errorf("the spare folder is full as well, and %v", err)
	}
	if err := errors.Join(f.Release(Keep), rest.Release(Keep)); err != nil {
		t.Error(err)
	}
	for _, place := range []string{folder, spare} {
		if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
			t.Errorf("there is %v, %v", left, err)
		}
	}
}
