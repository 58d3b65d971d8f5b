package remote_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/tree"
)

// mirrorOnce makes one pass from source to r.
func mirrorOnce(t testing.TB, source string, r tree.Replica) reconcile.Report {
	t.Helper()
	return mirrorBy(t, tree.ByContent, source, r)
}

// mirrorBy is mirrorOnce by that method.
func mirrorBy(t testing.TB, method tree.Method, source string, r tree.Replica) reconcile.Report {
	t.Helper()
	s, err := local.OpenSource(source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := reconcile.New(s, r, reconcile.Options{Workers: 4, Method: method})
	report, err := m.Once(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// equal makes a pass that must find both sides equal.
func equal(t testing.TB, source string, r tree.Replica) reconcile.Report {
	t.Helper()
	report := mirrorOnce(t, source, r)
	if !report.Equal || report.Drift != 0 || report.Digest.IsZero() {
		t.Fatalf("not equal: %+v", report)
	}
	return report
}

// bytesOf returns n bytes that nothing packs, the same for each seed.
func bytesOf(seed uint64, n int) []byte {
	buf := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(buf)
	return buf
}

func TestMirrorAndUnchangedPass(t *testing.T) {
	source := t.TempDir()
	const folders, files = 300, 10
	for i := range folders {
		for j := range files {
			write(t, filepath.Join(source, fmt.Sprint("folder", i%20), fmt.Sprint("sub", i), fmt.Sprint("file", j)), fmt.Append(nil, i, j))
		}
	}
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	r := p.open(client.Options{})
	first := mirrorOnce(t, source, r)
	if !first.Equal || first.Files != folders*files {
		t.Fatalf("%+v", first)
	}
	p.wire()
	second := equal(t, source, r)
	cost := p.wire()
	if second.Digest != first.Digest {
		t.Error("digest is another one")
	}
	// 100,000 files in 1,000 folders may cost 64 KiB; files cost nothing.
	if most := int64(64 << 10 * (folders + 21) / 1000); cost > most {
		t.Errorf("%d folders unchanged cost %d bytes, more than %d", folders+21, cost, most)
	}
	t.Logf("%d folders, %d files unchanged: %d bytes", folders+21, folders*files, cost)

	// One file tampered with in the replica is found and mended.
	victim := filepath.Join(p.root, "folder7", "sub7", "file3")
	info, err := os.Stat(victim)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(victim)
	content[0] ^= 1
	write(t, victim, content)
	os.Chtimes(victim, info.ModTime(), info.ModTime())
	if report := mirrorOnce(t, source, r); report.Drift != 1 || report.Repaired != 1 {
		t.Errorf("tampered: %+v", report)
	}
	equal(t, source, r)
}

func TestEachByteOnce(t *testing.T) {
	const big = 32 << 20
	const mebi = 1 << 20
	source := t.TempDir()
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	r := p.open(client.Options{})
	content := bytesOf(1, big)
	path := filepath.Join(source, "big")
	step := func(name string, most int64, change func()) {
		t.Helper()
		change()
		p.wire()
		if report := mirrorOnce(t, source, r); !report.Equal {
			t.Fatalf("%s: %+v", name, report)
		}
		cost := p.wire()
		if cost > most {
			t.Errorf("%s: %d bytes on the wire, more than %d", name, cost, most)
		}
		t.Logf("%s: %d bytes", name, cost)
		equal(t, source, r)
	}
	step("first", big+big/100, func() { write(t, path, content) })
	step("copied", 40<<10, func() { write(t, filepath.Join(source, "sub", "copy"), content) })
	step("renamed", 40<<10, func() {
		if err := os.Rename(path, filepath.Join(source, "renamed")); err != nil {
			t.Fatal(err)
		}
	})
	path = filepath.Join(source, "renamed")
	step("inserted", 2*mebi, func() {
		content = append(content[:big/2:big/2], append(bytesOf(2, mebi), content[big/2:]...)...)
		write(t, path, content)
	})
	step("appended", mebi/2, func() {
		content = append(content, bytesOf(3, 64<<10)...)
		write(t, path, content)
	})
	step("one byte", mebi/2, func() {
		content[big/3] ^= 1
		write(t, path, content)
	})
	step("similar", big/8, func() {
		similar := append(bytesOf(4, len(content)/10), content[len(content)/10:]...)
		write(t, filepath.Join(source, "similar"), similar)
	})
	step("small copies", 64<<10, func() {
		for i := range 100 {
			write(t, filepath.Join(source, "a", fmt.Sprint(i)), bytesOf(uint64(100+i), 0))
		}
	})
	step("text packs", 1<<20, func() {
		text := []byte{}
		for i := range 400_000 {
			text = fmt.Append(text, "line ", i, "\n")
		}
		write(t, filepath.Join(source, "text"), text)
	})
	// Without an index, what is at the same place is still not sent.
	step("index gone", mebi/2, func() {
		p.folder.Index.Close()
		p.folder.Index = nil
		content[big/4] ^= 1
		write(t, path, content)
	})
}
