package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// memory is a content of bytes with one hole.
type memory struct {
	*bytes.Reader
	hole, end int64 // of the hole
}

func (m *memory) Entry() tree.Entry { return tree.Entry{Kind: tree.File, Size: m.Size()} }
func (m *memory) Changed() error    { return nil }
func (m *memory) Close() error      { return nil }

func (m *memory) Data(offset int64) (int64, int64, error) {
	switch {
	case offset < m.hole:
		return offset, m.hole, nil
	case offset < m.end:
		offset = m.end
	}
	if offset >= m.Size() {
		return 0, 0, io.EOF
	}
	return offset, m.Size(), nil
}

func noise(seed uint64, n int) []byte {
	buf := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	rand.NewChaCha8(key).Read(buf)
	return buf
}

// TestCut: the pieces are the content, whole and in order, and the digest is
// that of the content, with holes or without.
func TestCut(t *testing.T) {
	for _, size := range []int{0, 1, Least, Whole - 1, Whole, Whole + 1, 1 << 20, 5<<20 + 7} {
		content := noise(1, size)
		m := &memory{Reader: bytes.NewReader(content), hole: int64(size) + 1, end: int64(size) + 1}
		if size > 2<<20 {
			clear(content[1<<20 : 2<<20])
			m.hole, m.end = 1<<20, 2<<20
		}
		var back []byte
		err := Cut(m, int64(size), reused(make([]byte, MostRoom)), func(p Piece) error {
			if p.Data == nil {
				p.Data = make([]byte, p.Length)
			} else if len(p.Data) > most {
				t.Errorf("a chunk of %d bytes", len(p.Data))
			}
			back = append(back, p.Data...)
			return nil
		})
		if err != nil || !bytes.Equal(back, content) {
			t.Errorf("size %d: %d bytes came back, %v", size, len(back), err)
		}
		want := tree.HashContent(content)
		if d, _, err := Survey(t.Context(), m, int64(size), nil); err != nil || d != want {
			t.Errorf("size %d: survey %v, %v", size, d, err)
		}
		if d, err := Digest(t.Context(), m, int64(size)); err != nil || d != want {
			t.Errorf("size %d: digest %v, %v", size, d, err)
		}
		// Of a larger one the end would look like a hole; Changed tells then.
		if err := Cut(m, int64(size)+1, reused(make([]byte, MostRoom)), func(Piece) error { return nil }); err == nil && size < Whole {
			t.Errorf("size %d: a byte that is not there was read", size)
		}
	}
}

// TestInsertion: what is inserted changes the chunks around it alone.
func TestInsertion(t *testing.T) {
	names := func(content []byte) map[wire.ChunkID]bool {
		_, chunks, err := Survey(t.Context(), &memory{Reader: bytes.NewReader(content), hole: 1 << 40, end: 1 << 40}, int64(len(content)), nil)
		if err != nil {
			t.Fatal(err)
		}
		set := map[wire.ChunkID]bool{}
		for _, c := range chunks {
			set[c.Name] = true
		}
		return set
	}
	content := noise(2, 16<<20)
	before := names(content)
	after := names(append(append(bytes.Clone(content[:8<<20]), "inserted"...), content[8<<20:]...))
	fresh := 0
	for name := range after {
		if !before[name] {
			fresh++
		}
	}
	if fresh > 12 || len(after) < 64 {
		t.Errorf("%d of %d chunks are new", fresh, len(after))
	}
}

// unexpected fails the test for an index that is begun anew.
func unexpected(t testing.TB) func(error) {
	return func(err error) { t.Errorf("the index is begun anew: %v", err) }
}

func TestIndex(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sub", "index")
	x, err := OpenIndex(file, unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	name := func(i int) wire.ChunkID { return wire.ChunkIDOf(tree.HashContent(fmt.Append(nil, i))) }
	note := func(path tree.Path, first int) {
		f := File{Path: path, Size: 10, ModTime: tree.Time{Sec: 5}}
		for i := range 3 {
			f.Chunks = append(f.Chunks, Chunk{name(first + i), int64(i)})
		}
		x.Note(f)
	}
	entry := tree.Entry{Size: 10, ModTime: tree.Time{Sec: 5}}
	check := func(when string, i int, want Place, known bool) {
		t.Helper()
		if got, ok := x.Find(name(i)); ok != known || got != want {
			t.Errorf("%s: %+v, %v", when, got, ok)
		}
	}
	note("a/x", 0)
	note("a/y", 10)
	check("pending", 1, Place{"a/x", 1}, true)
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	check("written", 12, Place{"a/y", 2}, true)
	check("never", 99, Place{}, false)
	x.Rename("a", "b")
	check("folder renamed", 1, Place{"b/x", 1}, true)
	names := []tree.Entry{{Name: "folder", Kind: tree.Folder}, {Name: "w"}, {Name: "x"}, {Name: "z"}}
	for _, pending := range []bool{false, true} {
		a, b := x.Versions("a", names), x.Versions("b", names)
		if a.Knows(2, entry) || b.Knows(1, entry) || !b.Knows(2, entry) || b.Knows(2, tree.Entry{Size: 11}) || b.Knows(3, entry) != pending {
			t.Error("the versions are wrong")
		}
		note("b/z", 0)
	}
	note("b/x", 0)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if x, err = OpenIndex(file, unexpected(t)); err != nil { // it survives
		t.Fatal(err)
	}
	check("opened again", 0, Place{"b/x", 0}, true)
	checkWhole(t, x)
	x.Close()
	// Damage of any kind makes an empty one, or is no worse than one.
	for _, damage := range []func() error{
		func() error { return os.Truncate(file, 100) },
		func() error { return os.WriteFile(file, noise(3, 40_000), 0o600) },
		func() error { return os.Remove(file) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if x, err = OpenIndex(file, unexpected(t)); err != nil {
			t.Fatal(err)
		}
		check("damaged", 0, Place{}, false)
		note("c", 0)
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
	var none *Index
	if _, ok := none.Find(name(0)); ok || none.Flush() != nil || none.Close() != nil || !none.Versions("a", names).Knows(0, entry) {
		t.Error("no index is not an empty one")
	}
}

// checkWhole: a file of one chunk is followed like any other, and its chunk
// belongs to whoever had it last.
func checkWhole(t *testing.T, x *Index) {
	t.Helper()
	name := wire.ChunkIDOf(tree.HashContent([]byte("whole")))
	note := func(path tree.Path, names ...wire.ChunkID) {
		f := File{Path: path, Size: 7, ModTime: tree.Time{Sec: 1, Nsec: 2}}
		for i, n := range names {
			f.Chunks = append(f.Chunks, Chunk{n, int64(i)})
		}
		x.Note(f)
	}
	check := func(when string, want tree.Path) {
		t.Helper()
		if got, ok := x.Find(name); ok != (want != "") || got.Path != want {
			t.Errorf("%s: %+v, %v", when, got, ok)
		}
	}
	note("w/a", name)
	x.Rename("w", "v")
	check("renamed before it was written", "v/a")
	note("v/b", name)
	x.Rename("v/a", "v/c")
	check("the other one renamed", "v/b")
	x.Rename("v/b", "v/d")
	check("renamed", "v/d")
	versions := x.Versions("v", []tree.Entry{{Name: "d"}})
	if !versions.Knows(0, tree.Entry{Size: 7, ModTime: tree.Time{Sec: 1, Nsec: 2}}) || versions.Knows(0, tree.Entry{Size: 7}) {
		t.Error("the version is wrong")
	}
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	note("v/e", name)
	note("v/e", wire.ChunkID{1}) // another version, before the first is written
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	check("gone with its version", "v/d")
	note("v/d", name, wire.ChunkID{2})
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	check("of several chunks", "v/d")
	x.Rename("v/d", "v/f")
	check("of several chunks, renamed", "v/f")
}

// TestIndexAtOnce: what is noted is found at any moment, whoever writes.
func TestIndexAtOnce(t *testing.T) {
	x, err := OpenIndex(filepath.Join(t.TempDir(), "index"), unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 200 {
				path := tree.Path(fmt.Sprint(worker, "/", i))
				name := wire.ChunkIDOf(tree.HashContent([]byte(path)))
				x.Note(File{Path: path, Size: 1, Chunks: []Chunk{{Name: name}}})
				if i%20 == worker {
					x.Flush()
				}
				if got, ok := x.Find(name); !ok || got.Path != path {
					t.Errorf("%q: %+v, %v", path, got, ok)
				}
			}
		})
	}
	all.Wait()
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

func TestSpool(t *testing.T) {
	folder := t.TempDir()
	_, f := begun(t, folder)
	data := noise(4, 100_000)
	name := wire.ChunkIDOf(tree.HashContent(data))
	if _, err := f.Append(wire.ChunkID{1}, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if at, err := f.Append(name, data); err != nil || at != 5 {
		t.Fatal(at, err)
	}
	if err := f.Release(Keep); err != nil {
		t.Fatal(err)
	}
	// A new process finds it, even if its last record was cut off.
	lists, _ := filepath.Glob(filepath.Join(folder, "*"+listSuffix))
	list, err := os.OpenFile(lists[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	list.Write([]byte("cut off"))
	list.Close()
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	got, at, ok := s.Find(name, int64(len(data)))
	if !ok {
		t.Fatal("it is lost")
	}
	buf := make([]byte, len(data))
	if _, err := got.ReadAt(buf, at); err != nil || !bytes.Equal(buf, data) {
		t.Errorf("%v", err)
	}
	if _, _, ok := s.Find(name, 7); ok {
		t.Error("a chunk of another length")
	}
	if err := got.Release(Drop); err != nil {
		t.Error(err)
	}
	if _, _, ok := s.Find(name, int64(len(data))); ok {
		t.Error("it is still there")
	}
	if names, _ := os.ReadDir(folder); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// What is in the spool may go at any time, with the folder around it.
func TestSpoolIsClearedAway(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "cache", "spool")
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := os.RemoveAll(filepath.Dir(folder)); err != nil {
			t.Fatal(err)
		}
		f, err := s.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Append(wire.ChunkID{1}, []byte("content")); err != nil {
			t.Error(err)
		}
		if err := f.Release(Keep); err != nil {
			t.Error(err)
		}
	}
}

// Trouble with the spool reads the same each time, so that it is told once.
func TestSpoolTroubleIsTheSameAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "spool")
	s, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(folder), os.WriteFile(folder, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, first := s.Begin()
	_, second := s.Begin()
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("%v, then %v", first, second)
	}
}
