package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
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
		if h.pauses[0] != 500*time.Millisecond || h.pauses[len(h.pauses)-1] != 30*time.Second {
			t.Errorf("pauses %v", h.pauses)
		}
	})
}

// TestDeadLink (X2): a link that swallows everything is noticed within 45 s,
// on either side.
func TestDeadLink(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	synctest.Test(t, func(t *testing.T) {
		replica, err := local.OpenReplica(root, local.ReplicaOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer replica.Close()
		s := server.New(server.Options{Open: func(server.Request) (*server.Folder, func(), error) {
			return &server.Folder{Replica: replica}, func() {}, nil
		}})
		var dead atomic.Bool
		here, there := net.Pipe()
		served := make(chan time.Time, 1)
		go func() {
			hello, err := server.Greet(there)
			s.Serve(context.Background(), there, "x", hello, err)
			served <- time.Now()
		}()
		h := &heard{}
		dials := 0
		r, err := client.Open(t.Context(), client.Options{Observer: h, Dial: func(context.Context) (net.Conn, error) {
			if dials++; dials > 1 {
				return nil, syscall.ECONNREFUSED
			}
			return &swallowing{Conn: here, dead: &dead}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		time.Sleep(time.Minute) // of the bubble: an idle link stays
		if err := r.Check(); err != nil {
			t.Errorf("idle: %v", err)
		}
		dead.Store(true)
		died := time.Now()
		for r.Check() == nil && time.Since(died) < time.Hour {
			time.Sleep(time.Second)
		}
		if took := time.Since(died); took > 45*time.Second {
			t.Errorf("the client noticed after %v", took)
		}
		if took := (<-served).Sub(died); took > 45*time.Second {
			t.Errorf("the server noticed after %v", took)
		}
		stop()
		r.Close()
		running.Wait()
	})
}

// swallowing is a connection that may die without a word.
type swallowing struct {
	net.Conn
	dead *atomic.Bool
}

func (s *swallowing) Write(p []byte) (int, error) {
	if s.dead.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (s *swallowing) Close() error {
	if s.dead.Load() {
		go s.Conn.Close() // whose end the other side hears of much later
		return nil
	}
	return s.Conn.Close()
}

// TestSlowGreeting (X11): one deadline for all of a greeting, which single
// bytes do not move.
func TestSlowGreeting(t *testing.T) {
	for _, trickle := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			go func() {
				for trickle > 0 {
					time.Sleep(trickle)
					if _, err := here.Write([]byte("\x00")); err != nil {
						return
					}
				}
			}()
			began := time.Now()
			h, err := server.Greet(there)
			there.Close()
			if took := time.Since(began); err == nil || h != nil || took > 10*time.Second {
				t.Errorf("%v, %v after %v", h, err, took)
			}
			time.Sleep(2 * time.Second) // of the bubble: the other side ends
		})
	}
}

// TestLease (X20): the second client is refused and hears who has the folder;
// one that comes back takes over its own.
func TestLease(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	first := p.open(client.Options{})
	_, err := client.Open(t.Context(), client.Options{Dial: p.dial})
	if !errors.Is(err, wire.ErrBusy) || !strings.Contains(err.Error(), "tester, since") {
		t.Fatalf("%v", err)
	}
	if err := first.Check(); err != nil {
		t.Errorf("the first one: %v", err)
	}
	looking, err := client.Open(t.Context(), client.Options{Dial: p.dial, ReadOnly: true})
	if err != nil {
		t.Fatalf("one that only looks: %v", err)
	}
	looking.Close()
	// The same instance again, while the server believes in the old link.
	same := &wire.Hello{Instance: []byte("again")}
	first.Close()
	var conns []net.Conn
	for range 3 {
		var err error
		var conn net.Conn
		await(t, func() error {
			if conn, err = p.dial(t.Context()); err != nil {
				return err
			}
			wire.SendHello(conn, same)
			_, err = wire.ReadWelcome(conn)
			return err
		})
		conns = append(conns, conn)
	}
	if _, err := conns[0].Read(make([]byte, 1024)); err != nil {
		// settings of the transport may come first
		_ = err
	}
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
}

// altered is a replica of which something is other than usual.
type altered struct {
	tree.Replica
	traits *tree.Traits
	err    error
}

func (a *altered) Traits() tree.Traits {
	if a.traits != nil {
		return *a.traits
	}
	return a.Replica.Traits()
}

func (a *altered) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	if a.err == nil {
		return a.Replica.Apply(ctx, actions)
	}
	outcomes := make([]tree.Outcome, len(actions))
	for i := range outcomes {
		outcomes[i].Err = fmt.Errorf("copy: %w", a.err)
	}
	return outcomes
}

// TestFullServer (X23): what is wrong with a path is told, and the session
// goes on.
func TestFullServer(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	a := &altered{Replica: p.folder.Replica, err: syscall.ENOSPC}
	p.folder.Replica = a
	r := p.open(client.Options{})
	s := treetest.NewSource()
	s.File("f", strings.Repeat("x", 100_000))
	action := tree.Action{Kind: tree.Copy, Path: "f", Want: s.Entry("f"), Open: s.Opener("f")}
	for _, err := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EDQUOT} {
		a.err = err
		if out := r.Apply(t.Context(), []tree.Action{action}); !errors.Is(out[0].Err, err) {
			t.Errorf("%+v", out)
		}
	}
	a.err = nil
	if out := r.Apply(t.Context(), []tree.Action{action}); out[0].Err != nil {
		t.Errorf("%+v", out)
	}
}

// TestTraitsTravel (X24, X25): the client knows what the server's file system
// holds, and asks for no more.
func TestTraitsTravel(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	less := tree.Traits{UID: 1000, Groups: []uint32{1000, 4}, TimeStep: 2e9, Symlinks: true}
	p.folder.Replica = &altered{Replica: p.folder.Replica, traits: &less}
	r := p.open(client.Options{})
	if got := fmt.Sprint(r.Traits()); got != fmt.Sprint(less) {
		t.Errorf("%v, want %v", got, less)
	}
	if r.ID() != (tree.ID{}) {
		t.Error("the folder is taken for one of this machine")
	}
}

// TestServersGuard: the server holds removals by itself, and nothing else.
func TestServersGuard(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	p.server = server.New(server.Options{
		Open:        func(server.Request) (*server.Folder, func(), error) { return p.folder, func() {}, nil },
		MaxRemovals: func(int64) int64 { return 3 },
	})
	for i := range 3 {
		write(t, filepath.Join(p.root, "few", fmt.Sprint(i)), nil)
		write(t, filepath.Join(p.root, fmt.Sprint(i)), nil)
	}
	r := p.open(client.Options{})
	out := r.Apply(t.Context(), []tree.Action{
		{Kind: tree.Remove, Path: "few", Over: tree.Folder},
		{Kind: tree.Remove, Path: "0", Over: tree.File},
		{Kind: tree.Create, Path: "few", Over: tree.Folder, Want: tree.Entry{Kind: tree.Symlink, Link: "x"}},
		{Kind: tree.Create, Path: "new", Want: tree.Entry{Kind: tree.Folder, Mode: 0o755}},
	})
	if !errors.Is(out[0].Err, wire.ErrHeld) || out[1].Err != nil || !errors.Is(out[2].Err, wire.ErrHeld) || out[3].Err != nil {
		t.Errorf("%+v", out)
	}
	if _, err := os.Stat(filepath.Join(p.root, "few", "0")); err != nil {
		t.Error(err)
	}
}

// TestReadOnlySession: a client that only looks changes nothing.
func TestReadOnlySession(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	r := p.open(client.Options{ReadOnly: true})
	out := r.Apply(t.Context(), []tree.Action{{Kind: tree.Create, Path: "x", Want: tree.Entry{Kind: tree.Folder}}})
	if out[0].Err == nil {
		t.Error("it was changed")
	}
	if names, _ := os.ReadDir(p.root); len(names) > 0 {
		t.Errorf("%v", names)
	}
}

// trickling cuts everything into single bytes.
type trickling struct{ net.Conn }

func (c trickling) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

// delaying holds everything written back for half a round trip, and keeps it
// in order. Bandwidth is not bounded.
type delaying struct {
	net.Conn
	by    time.Duration
	lines chan late
}

type late struct {
	at   time.Time
	data []byte
}

func newDelaying(c net.Conn, by time.Duration) *delaying {
	d := &delaying{Conn: c, by: by, lines: make(chan late, 1<<16)}
	go func() {
		for l := range d.lines {
			time.Sleep(time.Until(l.at))
			if _, err := d.Conn.Write(l.data); err != nil {
				d.Conn.Close()
			}
		}
	}()
	return d
}

func (d *delaying) Write(p []byte) (int, error) {
	d.lines <- late{time.Now().Add(d.by), append([]byte(nil), p...)}
	return len(p), nil
}

// TestAnyFraming (X30): single bytes are as good as any.
func TestAnyFraming(t *testing.T) {
	source := t.TempDir()
	for i := range 20 {
		write(t, filepath.Join(source, fmt.Sprint(i%3), fmt.Sprint(i)), bytesOf(uint64(i), i*1000))
	}
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	p.wrap = func(c net.Conn) net.Conn { return trickling{c} }
	r := p.open(client.Options{})
	mirrorOnce(t, source, r)
	equal(t, source, r)
}

// TestRoundTrips: a round trip of 50 ms costs a push of many small files
// little: requests are pipelined.
func TestRoundTrips(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const folders, files = 20, 100
	source := t.TempDir()
	for i := range folders * files {
		write(t, filepath.Join(source, fmt.Sprint("folder", i%folders), fmt.Sprint(i)), bytesOf(uint64(i), 2000))
	}
	push := func(wrap func(net.Conn) net.Conn) time.Duration {
		p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
		p.wrap = wrap
		r := p.open(client.Options{})
		began := time.Now()
		s, err := local.OpenSource(source)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		m := reconcile.New(s, r, reconcile.Options{Workers: 8})
		if report, err := m.Once(t.Context()); err != nil || !report.Equal {
			t.Fatalf("%+v, %v", report, err)
		}
		return time.Since(began)
	}
	near := push(nil)
	far := push(func(c net.Conn) net.Conn { return newDelaying(c, 50*time.Millisecond) })
	t.Logf("%d files: %v near, %v with a round trip of 50 ms", folders*files, near, far)
	if far-near > 3*time.Second {
		t.Errorf("a round trip of 50 ms costs %v", far-near)
	}
}
