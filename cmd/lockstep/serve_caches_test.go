package main

import (
	"bytes"
	"testing"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
)

// TestOneSpoolEach: what one server of a folder keeps of contents that arrive is
// nothing to another one, which may look or, where the folder was replaced,
// write at the same time.
func TestOneSpoolEach(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	folder, name, content := t.TempDir(), wire.ChunkID{1}, []byte("content")
	v := serving{}
	first, release, err := v.open(folder, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	arriving, err := first.Spool.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arriving.Append(name, content); err != nil {
		t.Fatal(err)
	}
	looking, leave, err := v.open(folder, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if looking.Spool != nil || looking.Index != nil {
		t.Error("a session that only looks has what another one writes")
	}
	leave()
	other := &caches{}
	if err := other.open(folder, nil); err != nil {
		t.Fatal(err)
	}
	if f, _, ok := other.spool.Find(name, int64(len(content))); ok {
		t.Error("another server has what arrives here")
		f.Release(chunk.Drop)
	}
	other.close()
	if err := arriving.Release(chunk.Keep); err != nil {
		t.Fatal(err)
	}
	again, offset, ok := first.Spool.Find(name, int64(len(content)))
	if !ok {
		t.Fatal("it is gone")
	}
	defer again.Release(chunk.Keep)
	got := make([]byte, len(content))
	if _, err := again.ReadAt(got, offset); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
}
