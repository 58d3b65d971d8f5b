package chunk

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// TestTable: after any edits a table has what a map has, for whoever asks for
// one key, for several in their order, or for all below a prefix.
func TestTable(t *testing.T) {
	db, err := openBolt(filepath.Join(t.TempDir(), "index"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		return fmt.Sprintf("%s/%s%d", strings.Repeat("f", r.IntN(4)), strings.Repeat("long", r.IntN(100)), r.IntN(2000))
	}
	want := map[string]string{}
	for round := range 30 {
		changes := map[string]string{}
		for range 1 << r.IntN(10) {
			changes[random()] = strings.Repeat("v", 1+r.IntN(50))
		}
		err := db.Update(func(tx *bbolt.Tx) error {
			e := beginEdit(tx, bucketFiles)
			for _, key := range slices.Sorted(maps.Keys(changes)) {
				if old := e.take([]byte(key)); string(old) != want[key] {
					t.Errorf("%q was %q", key, old)
				}
				if delete(want, key); r.IntN(4) > 0 && round < 28 {
					want[key] = changes[key]
					e.put([]byte(key), []byte(want[key]))
				}
			}
			return e.end()
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(func(tx *bbolt.Tx) error {
			checkTable(t, openTable(tx, bucketFiles), want, append(slices.Collect(maps.Keys(changes)), random()))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func checkTable(t *testing.T, table *table, want map[string]string, asked []string) {
	t.Helper()
	for _, key := range asked {
		if got := table.get([]byte(key)); string(got) != want[key] {
			t.Errorf("%q is %q", key, got)
		}
	}
	slices.Sort(asked)
	table.at = record{}
	for _, key := range asked {
		if got := table.follow([]byte(key)); string(got) != want[key] {
			t.Errorf("%q is %q in its turn", key, got)
		}
	}
	for _, prefix := range []string{"", "ff", "ff/longlong", "g"} {
		var last []byte
		n := 0
		for key, value := range table.below([]byte(prefix)) {
			if n++; string(value) != want[string(key)] || n > 1 && bytes.Compare(key, last) <= 0 {
				t.Errorf("%q after %q is %q", key, last, value)
			}
			last = append(last[:0], key...)
		}
		for key := range want {
			if strings.HasPrefix(key, prefix) {
				n--
			}
		}
		if n != 0 {
			t.Errorf("%d rows too many below %q", n, prefix)
		}
	}
}

// FuzzRows: what is no run is read without a crash, and to its end.
func FuzzRows(f *testing.F) {
	var p packer
	p.add([]byte("key"), []byte("value"))
	p.add([]byte("keys"), []byte("values"))
	f.Add(p.run, []byte("kez"))
	f.Fuzz(func(t *testing.T, run, key []byte) {
		r := rows{run: run}
		for r.next() {
			_ = r.known()
		}
		r.begin(run)
		if r.find(key) && !bytes.Equal(r.key, key) {
			t.Errorf("%q is not %q", r.key, key)
		}
	})
}

// TestLongPaths: paths of up to [wire.MaxPath] bytes have others found as before,
// whether they fit in the index themselves or not.
func TestLongPaths(t *testing.T) {
	x, err := OpenIndex(filepath.Join(t.TempDir(), "index"), unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	var noted []File
	note := func(path string) {
		noted = append(noted, File{
			Path: tree.Path(path), Size: 1, Chunks: []Chunk{{Name: wire.ChunkIDOf(tree.HashContent([]byte(path)))}},
		})
		x.Note(noted[len(noted)-1])
	}
	for _, length := range []int{100, bbolt.MaxKeySize, bbolt.MaxKeySize + 1, wire.MaxPath - 1, wire.MaxPath} {
		for _, first := range []string{"a", "b", "c"} {
			note((first + strings.Repeat("/name", length/5+1))[:length])
			note(first + fmt.Sprint(length))
		}
	}
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, f := range noted {
		if place, ok := x.Find(f.Chunks[0].Name); ok && place.Path != f.Path || !ok && len(f.Path) <= bbolt.MaxKeySize {
			t.Errorf("what has a path of %d bytes is at one of %d, %v", len(f.Path), len(place.Path), ok)
		}
	}
}
