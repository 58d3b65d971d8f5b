package remote_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// hasty is a cache that keeps versions however young they are, as the files of
// a test are.
type hasty struct{ tree.Cache }

func (h hasty) Folder(path tree.Path) tree.CachedFolder { return hastyFolder{h.Cache.Folder(path)} }

type hastyFolder struct{ tree.CachedFolder }

func (f hastyFolder) Note(e tree.Entry, d tree.Digest, begun time.Time) {
	f.CachedFolder.Note(e, d, begun.Add(time.Hour))
}

// hastyCache opens the cache of the tree at root, in the folder at path.
func hastyCache(t testing.TB, path, root string) tree.Cache {
	t.Helper()
	c, err := local.OpenCache(path, root, local.Auto)
	if err != nil {
		t.Fatal(err)
	}
	return hasty{c}
}

// cachedPair is a source and a replica of two files, with a cache on each side.
type cachedPair struct {
	t            *testing.T
	source       string
	p            *place
	r            *client.Replica
	mine, theirs string // where the caches are
}

// The files, and how long they are.
const (
	smallFile, largeFile = "folder/small", "large"
	small, large         = 1000, 3<<20 + 1
	all                  = small + large
)

// newCachedPair mirrors the files, of which no cache knows anything yet.
func newCachedPair(t *testing.T) *cachedPair {
	c := &cachedPair{
		t: t, source: t.TempDir(), p: newPlace(t, filepath.Join(t.TempDir(), "replica")),
		mine: filepath.Join(t.TempDir(), "mine"), theirs: filepath.Join(t.TempDir(), "theirs"),
	}
	write(t, filepath.Join(c.source, smallFile), bytesOf(1, small))
	write(t, filepath.Join(c.source, largeFile), bytesOf(2, large))
	c.p.folder.Cache = hastyCache(t, c.theirs, c.p.root)
	c.open(hastyCache(t, c.mine, c.source))
	mirrorOnce(t, c.source, c.r)
	t.Cleanup(func() { c.r.Close() })
	return c
}

// open opens the client with that cache, in the place of the one before.
func (c *cachedPair) open(cache tree.Cache) {
	c.t.Helper()
	if c.r != nil {
		c.r.Close()
	}
	var err error
	if c.r, err = client.Open(c.t.Context(), client.Options{Dial: c.p.dial, Cache: cache}); err != nil {
		c.t.Fatal(err)
	}
}

// pass makes a pass by the caches, which must leave both sides equal.
func (c *cachedPair) pass(what string, drift, bytes int64) {
	c.t.Helper()
	report := mirrorBy(c.t, tree.ByCache, c.source, c.r)
	if !report.Equal || report.Drift != drift || report.BytesRead != bytes {
		c.t.Errorf("%s: drift %d, %d bytes read, want %d and %d: %+v", what, report.Drift, report.BytesRead, drift, bytes, report)
	}
}

// changed does something until the file's time of the last change moves.
func (c *cachedPair) changed(path string, do func() error) {
	c.t.Helper()
	before := changeTime(c.t, path)
	for changeTime(c.t, path) == before {
		if err := do(); err != nil {
			c.t.Fatal(err)
		}
	}
}

func changeTime(t *testing.T, path string) tree.Time {
	t.Helper()
	s, err := local.OpenSource(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.Folder(tree.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := f.Look(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return e.ChangeTime
}

// TestCachedPass counts what passes read with a cache on both sides: what
// changed since its digest was taken, by the side that has it.
func TestCachedPass(t *testing.T) {
	c := newCachedPair(t)
	c.pass("nothing is known", 0, 2*all)
	c.pass("nothing changed", 0, 0)
	known := mirrorBy(t, tree.ByCache, c.source, c.r)
	if read := equal(t, c.source, c.r); read.Digest != known.Digest || read.BytesRead != 2*all {
		t.Errorf("by content %+v, by the caches %+v", read, known)
	}

	path := filepath.Join(c.source, smallFile)
	c.changed(path, func() error { return os.WriteFile(path, bytesOf(3, small), 0) })
	c.pass("one file edited", 1, small)
	c.pass("and brought over", 0, small)
	c.pass("nothing changed since", 0, 0)
	stamp := time.Unix(1_500_000_000, 0)
	c.changed(path, func() error { return os.Chtimes(path, stamp, stamp) })
	c.pass("another time, equal content", 1, small)
	c.pass("on the other side, too", 0, small)
	c.pass("which is remembered", 0, 0)
	theirs := filepath.Join(c.p.root, largeFile)
	c.changed(theirs, func() error {
		return os.WriteFile(theirs, bytesOf(4, large), 0)
	})
	c.pass("tampered with", 1, large)
	c.pass("mended", 0, large)
	c.pass("nothing changed in the end", 0, 0)
	equal(t, c.source, c.r)
}

// TestCacheLost: without a cache, or with one that is of no use, a side reads
// all of its own.
func TestCacheLost(t *testing.T) {
	c := newCachedPair(t)
	c.pass("nothing is known", 0, 2*all)
	c.pass("nothing changed", 0, 0)
	damage(t, c.mine)
	c.pass("the client's is damaged", 0, all)
	c.pass("and mended", 0, 0)
	if err := os.RemoveAll(c.theirs); err != nil {
		t.Fatal(err)
	}
	c.pass("the server's is gone", 0, all)
	c.pass("and there again", 0, 0)
	blocked := filepath.Join(t.TempDir(), "file")
	write(t, blocked, nil)
	c.p.folder.Cache = hastyCache(t, filepath.Join(blocked, "contents"), c.p.root)
	for range 2 {
		c.pass("the server's cannot be written", 0, all)
	}
	c.p.folder.Cache = hastyCache(t, c.mine, c.p.root)
	c.pass("the server has that of another folder", 0, all)
	c.p.folder.Cache = nil
	c.open(nil)
	c.pass("nobody has one", 0, 2*all)
}

// damage flips a bit in each file below path.
func damage(t *testing.T, path string) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wrong is a cache that knows everything, and nothing as it is.
type wrong struct{ asked atomic.Int64 }

var invented = tree.HashContent([]byte("something else"))

func (w *wrong) Folder(tree.Path) tree.CachedFolder { return wrongFolder{w} }

type wrongFolder struct{ *wrong }

func (w wrongFolder) Digest(tree.Entry) (tree.Digest, bool)   { w.asked.Add(1); return invented, true }
func (w wrongFolder) Note(tree.Entry, tree.Digest, time.Time) { w.asked.Add(1) }
func (w wrongFolder) Keep()                                   { w.asked.Add(1) }

// TestContentBelievesNoCache: a pass by content, and one who verifies, reads
// everything whatever the caches say, even of a folder that was just surveyed
// by them.
func TestContentBelievesNoCache(t *testing.T) {
	c := newCachedPair(t)
	w := &wrong{}
	c.p.folder.Cache = w
	c.open(w)
	for range 2 {
		if report := equal(t, c.source, c.r); report.BytesRead != 2*all || w.asked.Load() > 0 {
			t.Errorf("%d bytes read, the caches were asked %d times", report.BytesRead, w.asked.Load())
		}
	}
	c.pass("by the caches", 0, 0)
	if w.asked.Load() == 0 {
		t.Error("nobody asked the caches")
	}
	c.r.Close()
	calls := raw(t, c.p)
	survey, err := calls.Survey(t.Context(), &wire.SurveyRequest{Contents: true, Cached: true})
	if err != nil {
		t.Fatal(err)
	}
	reply := &wire.SurveyReply{}
	for !reply.Complete {
		if reply, err = survey.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	for _, cached := range []bool{false, true} {
		list, err := calls.List(t.Context(), &wire.ListRequest{Survey: reply.Survey, Contents: true, Cached: cached})
		if err != nil {
			t.Fatal(err)
		}
		listed, err := list.Recv()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := wire.ToDigest(listed.Entries[1].Digest)
		if err != nil || (digest == invented) != cached {
			t.Errorf("cached is %v: digest %v, %v", cached, digest, err)
		}
	}
}
