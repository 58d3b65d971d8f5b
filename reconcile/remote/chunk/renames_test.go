package chunk

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// TestRenames: whatever was noted and renamed is found where it is now, written
// or not.
func TestRenames(t *testing.T) {
	for name, flushing := range map[string]bool{"pending": false, "while it is written": true} {
		t.Run(name, func(t *testing.T) {
			x, err := OpenIndex(filepath.Join(t.TempDir(), "index"), unexpected(t))
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			var writers sync.WaitGroup
			defer writers.Wait()
			done := make(chan struct{})
			defer close(done)
			if flushing {
				writers.Go(func() { // ends with done
					for {
						select {
						case <-done:
							return
						default:
							x.Flush()
						}
					}
				})
			}
			m := renamed{x: x, r: rand.New(rand.NewPCG(1, 2)), files: map[tree.Path]int64{}}
			for range 1500 {
				m.change()
				m.check(t)
			}
		})
	}
}

// renamed is what an index is to know: the number of the version at each path.
type renamed struct {
	x     *Index
	r     *rand.Rand
	files map[tree.Path]int64
	last  int64
}

func chunkOf(version int64) wire.ChunkID {
	return wire.ChunkIDOf(tree.HashContent(fmt.Append(nil, version)))
}

// change notes a file, or renames a file or folder to a place where there is none.
func (m *renamed) change() {
	folder := func() tree.Path { return tree.Path(fmt.Sprintf("folder %d", m.r.IntN(4))) }
	file := func() tree.Path { return folder().Join(fmt.Sprintf("file %d", m.r.IntN(5))) }
	switch from, to := file(), file(); m.r.IntN(5) {
	case 0, 1:
		m.last++
		m.files[from] = m.last
		m.x.Note(File{Path: from, Size: m.last, Chunks: []Chunk{{Name: chunkOf(m.last)}}})
	case 2, 3:
		if version, ok := m.files[from]; ok && from != to {
			delete(m.files, from)
			m.files[to] = version
			m.x.Rename(from, to)
		}
	default:
		from, to := folder(), folder()
		for path := range m.files {
			if strings.HasPrefix(string(path), string(to)+"/") {
				return
			}
		}
		m.x.Rename(from, to)
		for path, version := range m.files {
			if rest, ok := strings.CutPrefix(string(path), string(from)); ok {
				delete(m.files, path)
				m.files[to+tree.Path(rest)] = version
			}
		}
	}
}

func (m *renamed) check(t *testing.T) {
	t.Helper()
	for folder := range 4 {
		path := tree.Path(fmt.Sprintf("folder %d", folder))
		var entries []tree.Entry
		for file := range 5 {
			name := fmt.Sprintf("file %d", file)
			entries = append(entries, tree.Entry{Name: name, Size: m.files[path.Join(name)]})
		}
		versions := m.x.Versions(path, entries)
		for i, e := range entries {
			at := path.Join(e.Name)
			if known := versions[i] != (version{}); known != (e.Size > 0) || known && !versions.Knows(i, e) {
				t.Fatalf("%s: version %d is taken for %v", at, e.Size, versions[i])
			}
			if got, ok := m.x.Find(chunkOf(e.Size)); e.Size > 0 && (!ok || got.Path != at) {
				t.Fatalf("%s: its chunk is at %+v, %v", at, got, ok)
			}
		}
	}
}

// TestManyRenames: renames are written many at a time.
func TestManyRenames(t *testing.T) {
	const files = 2000
	x, err := OpenIndex(filepath.Join(t.TempDir(), "index"), unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	writes := func() (n int) {
		_ = x.db.View(func(tx *bbolt.Tx) error {
			n = tx.ID()
			return nil
		})
		return n
	}
	for i := range int64(files) {
		x.Note(File{Path: tree.Path(fmt.Sprint("a", i)), Size: i, Chunks: []Chunk{{Name: chunkOf(i)}}})
	}
	before := writes()
	for i := range files {
		x.Rename(tree.Path(fmt.Sprint("a", i)), tree.Path(fmt.Sprint("b", i)))
	}
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := writes() - before; n > files/maxRenames+2 {
		t.Errorf("%d renames were written in %d times", files, n)
	}
	if p, ok := x.Find(chunkOf(files / 2)); !ok || p.Path != tree.Path(fmt.Sprint("b", files/2)) {
		t.Errorf("%+v, %v", p, ok)
	}
}
