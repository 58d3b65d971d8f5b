package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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
		x, err := OpenIndex(file, func(error) {})
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

// TestDamagedWhileOpen: an index that is damaged while it is used is begun anew,
// which is told once, and goes on for all who use it.
func TestDamagedWhileOpen(t *testing.T) {
	const page = 4096
	over := func(first int, with []byte) func(*os.File) error {
		return func(f *os.File) error {
			_, err := f.WriteAt(with, int64(first*page))
			return err
		}
	}
	for name, c := range map[string]struct {
		users  int
		damage func(*os.File) error
	}{
		"zeros":      {4, over(2, make([]byte, 100*page))},
		"noise":      {4, over(2, noise(1, 100*page))},
		"cut off":    {4, func(f *os.File) error { return f.Truncate(2 * page) }},
		"everything": {1, over(0, make([]byte, 100*page))},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			var told atomic.Int64
			x, err := OpenIndex(path, func(error) { told.Add(1) })
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3000 {
				x.Note(wholeFile(i))
			}
			if err := x.Flush(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				err = errors.Join(c.damage(f), f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			var users sync.WaitGroup
			for user := range c.users {
				users.Go(func() {
					for i := range 200 {
						x.Find(wholeFile(i * 7).Chunks[0].Name)
						x.Versions("folder 1", []tree.Entry{{Name: fmt.Sprint("file ", i)}})
						x.Note(wholeFile(10_000 + 1000*user + i))
						switch i % 20 {
						case 3:
							_ = x.Flush() // it meets the damage or not
						case 7:
							x.Rename("folder 3", "folder 30")
						}
					}
				})
			}
			users.Wait()
			if n := told.Load(); n != 1 {
				t.Errorf("it was told %d times", n)
			}
			x.Note(wholeFile(9999))
			if err := x.Flush(); err != nil {
				t.Errorf("written: %v", err)
			}
			check := func(when string) {
				t.Helper()
				f := wholeFile(9999)
				if p, ok := x.Find(f.Chunks[0].Name); !ok || p.Path != f.Path {
					t.Errorf("%s: found %q, %v", when, p.Path, ok)
				}
			}
			check("written")
			if err := x.Close(); err != nil {
				t.Error(err)
			}
			if x, err = OpenIndex(path, unexpected(t)); err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			check("opened again")
		})
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
	x, err := OpenIndex(file, func(error) {})
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
