package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// wholeFile is a file of one chunk.
func wholeFile(i int) File {
	path := tree.Path(fmt.Sprintf("folder %d/file %d", i%26, i))
	return File{Path: path, Size: 1, Chunks: []Chunk{{Name: wire.ChunkIDOf(tree.HashContent([]byte(path)))}}}
}

// TestDamagedPages: whatever is in the pages, or is missing of them, the index is
// asked and written without a crash, and begun anew once that showed.
func TestDamagedPages(t *testing.T) {
	const page = 4096
	file := filepath.Join(t.TempDir(), "index")
	open := func() *Index {
		t.Helper()
		x, err := OpenIndex(file)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := open()
	for i := range 3000 {
		x.Note(wholeFile(i))
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func(r *rand.Rand, pages []byte) []byte{
		"noise": func(r *rand.Rand, pages []byte) []byte {
			copy(pages[page*r.IntN(60):][:page], noise(r.Uint64(), page))
			return pages
		},
		"zeros": func(r *rand.Rand, pages []byte) []byte {
			clear(pages[page*r.IntN(60):][:page])
			return pages
		},
		"bits": func(r *rand.Rand, pages []byte) []byte {
			for range 200 {
				pages[2*page+r.IntN(60*page)] ^= 1 << r.IntN(8)
			}
			return pages
		},
		"cut off": func(r *rand.Rand, pages []byte) []byte { return pages[:r.IntN(80*page)] },
	}
	for name, damage := range damages {
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, 0))
			if err := os.WriteFile(file, damage(r, bytes.Clone(sound)), 0o600); err != nil {
				t.Fatal(err)
			}
			x := open()
			for i := range 100 {
				x.Find(wholeFile(r.IntN(3000)).Chunks[0].Name)
				x.Versions("folder 1", []tree.Entry{{Name: fmt.Sprint("file ", i)}})
			}
			for i := range 500 {
				x.Note(wholeFile(3000 + i))
			}
			x.Rename("folder 3", "folder 30")
			x.Close() // with an error or not
			works := func() bool {
				f := wholeFile(9999)
				x := open()
				x.Note(f)
				x.Close()
				x = open()
				defer x.Close()
				p, ok := x.Find(f.Chunks[0].Name)
				return ok && p.Path == f.Path
			}
			anew := works()
			if !anew { // that showed the damage
				anew = works()
			}
			if !anew {
				t.Errorf("%s %d: it is not begun anew", name, seed)
			}
		}
	}
}

// TestOlderIndex: one that another version wrote is begun anew.
func TestOlderIndex(t *testing.T) {
	file := filepath.Join(t.TempDir(), "index")
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("files 2"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = bbolt.Open(file, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte("files 2")) != nil || tx.Bucket(bucketFiles) == nil {
			t.Error("it is as it was")
		}
		return nil
	})
}
