package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/tree"
)

// heard is what an observer of a connection was told.
type heard struct {
	mu     sync.Mutex
	lost   int
	found  int
	pauses []time.Duration
}

func (h *heard) Lost(error)          { h.mu.Lock(); defer h.mu.Unlock(); h.lost++ }
func (h *heard) Found(time.Duration) { h.mu.Lock(); defer h.mu.Unlock(); h.found++ }
func (h *heard) Retrying(_ int, pause time.Duration, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pauses = append(h.pauses, pause)
}

// cutAfter breaks a connection once so many bytes were written.
type cutAfter struct {
	net.Conn
	left *atomic.Int64
}

func (c *cutAfter) Write(p []byte) (int, error) {
	if c.left.Add(-int64(len(p))) < 0 {
		c.Conn.Close()
		return 0, errors.New("the cable was cut")
	}
	return c.Conn.Write(p)
}

// TestBrokenInMidFile (X1, X3, X21): a connection that breaks in the middle
// leaves nothing torn; what arrived before is not sent again.
func TestBrokenInMidFile(t *testing.T) {
	const size = 24 << 20
	source := t.TempDir()
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	write(t, filepath.Join(source, "big"), bytesOf(1, size))
	write(t, filepath.Join(source, "small"), []byte("old"))
	var left atomic.Int64
	left.Store(1 << 60)
	p.wrap = func(c net.Conn) net.Conn { return &cutAfter{c, &left} }
	h := &heard{}
	r := p.open(client.Options{Observer: h})

	left.Store(size * 2 / 3)
	s, err := local.OpenSource(source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := reconcile.New(s, r, reconcile.Options{Workers: 4})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	await(t, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.lost == 0 {
			return errors.New("the link is not lost")
		}
		return nil
	})
	if _, err := os.Stat(filepath.Join(p.root, "big")); err == nil {
		t.Error("a torn file has the name")
	}
	first := p.wire()
	left.Store(1 << 60)
	await(t, func() error {
		info, err := os.Stat(filepath.Join(p.root, "big"))
		if err == nil && info.Size() != size {
			t.Fatalf("a torn file of %d bytes has the name", info.Size())
		}
		return err
	})
	again := p.wire()
	stop()
	running.Wait()
	if first+again > size*5/4 {
		t.Errorf("%d bytes before and %d after the break for a file of %d", first, again, size)
	}
	t.Logf("%d bytes before and %d after the break for a file of %d", first, again, size)
	mirrorOnce(t, source, r)
	equal(t, source, r)
	if h.lost != 1 || h.found != 1 {
		t.Errorf("told %d times of the loss and %d times of the return", h.lost, h.found)
	}
}

// TestUnreachableAtOnce (X1): while there is no connection every call says so
// at once, and Check does.
func TestUnreachableAtOnce(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	h := &heard{}
	r := p.open(client.Options{Observer: h})
	p.down.Store(true)
	p.cut()
	await(t, func() error {
		if err := r.Check(); !errors.Is(err, tree.ErrUnreachable) {
			return fmt.Errorf("check: %v", err)
		}
		return nil
	})
	began := time.Now()
	ctx := context.Background()
	_, compareErr := r.Compare(ctx, tree.Subject{})
	_, countErr := r.Count(ctx, tree.Root, 1)
	for name, err := range map[string]error{
		"look": r.Look(ctx, []tree.Path{"a"})[0].Err, "compare": compareErr, "count": countErr, "flush": r.Flush(ctx),
		"apply": r.Apply(ctx, []tree.Action{{Kind: tree.Remove, Path: "a"}})[0].Err,
	} {
		if !errors.Is(err, tree.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("that took %v", took)
	}
	p.down.Store(false)
	await(t, r.Check)
}

// TestPauses (X1): the pauses grow from half a second to half a minute, and
// never much beyond.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{}
		attempts := 0
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		_, err := client.OpenPatiently(ctx, client.Options{Observer: h, Dial: func(context.Context) (net.Conn, error) {
			attempts++
			return nil, syscall.ECONNREFUSED
		}})
		if err == nil || h.lost != 1 {
			t.Errorf("%v, told %d times", err, h.lost)
		}
		if attempts < 24 || attempts > 60 {
			t.Errorf("%d attempts in ten minutes", attempts)
		}
		if h.pauses[0] != 500*time.Millisecond || h.pauses[len(h.pauses)-1] != 30*time.Second || !slices.IsSorted(h.pauses) {
			t.Errorf("pauses %v", h.pauses)
		}
	})
}

// TestAnotherFolder: a server that offers another folder by now is not written.
func TestAnotherFolder(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	r := p.open(client.Options{})
	p.folder.Identity = []byte("another")
	p.cut()
	await(t, func() error {
		if err := r.Check(); !errors.Is(err, tree.ErrReplicaReplaced) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	if out := r.Apply(t.Context(), []tree.Action{{Kind: tree.Create, Path: "x", Want: tree.Entry{Kind: tree.Folder}}}); !errors.Is(out[0].Err, tree.ErrReplicaReplaced) {
		t.Errorf("%+v", out)
	}
	if names, err := os.ReadDir(p.root); err != nil || len(names) > 0 {
		t.Errorf("written: %v, %v", names, err)
	}
}
