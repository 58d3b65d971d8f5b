package remote_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/tree"
)

// place is a server for one folder, without a network.
type place struct {
	t      testing.TB
	server *server.Server
	root   string
	folder *server.Folder

	sessions sync.WaitGroup
	// Counted on the client's side of each connection.
	sent, received atomic.Int64
	dials          atomic.Int64
	// down refuses connections.
	down atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
	// pair, if set, makes the two ends of a connection; wrap, if set, stands
	// between client and server.
	pair func() (net.Conn, net.Conn)
	wrap func(net.Conn) net.Conn
}

// newPlace serves a folder, with an index and a spool.
func newPlace(t testing.TB, root string) *place {
	t.Helper()
	p := &place{t: t, root: root}
	replica, err := local.OpenReplica(root, local.ReplicaOptions{Durability: local.NeverSync})
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	index, err := chunk.OpenIndex(filepath.Join(state, "index"), func(err error) { t.Errorf("index: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	spool, err := chunk.OpenSpool(filepath.Join(state, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	id := replica.ID()
	p.folder = &server.Folder{
		Replica: unflushed{replica}, Reader: replica, Index: index, Spool: spool,
		Identity: fmt.Append(nil, id.Dev, id.Ino),
	}
	p.server = server.New(server.Options{Open: func(server.Request) (*server.Folder, func(), error) {
		return p.folder, func() {}, nil
	}})
	t.Cleanup(func() {
		p.cut()
		p.sessions.Wait()
		index.Close()
		replica.Close()
	})
	return p
}

// unflushed leaves it to the system when anything gets to disk: tests would
// wait for what others write.
type unflushed struct{ *local.Replica }

func (unflushed) Flush(context.Context) error { return nil }

// dial makes a connection to the server.
func (p *place) dial(ctx context.Context) (net.Conn, error) {
	if p.down.Load() {
		return nil, fmt.Errorf("connection refused")
	}
	p.dials.Add(1)
	pair := p.pair
	if pair == nil {
		pair = func() (net.Conn, net.Conn) { return connPair(p.t) }
	}
	here, there := pair()
	p.sessions.Go(func() {
		hello, err := server.Greet(there)
		p.server.Serve(context.Background(), there, "tester", hello, err)
	})
	var conn net.Conn = &counted{Conn: here, p: p}
	if p.wrap != nil {
		conn = p.wrap(conn)
	}
	p.mu.Lock()
	p.conns = append(p.conns, conn)
	p.mu.Unlock()
	return conn, nil
}

// cut breaks every connection.
func (p *place) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// wire returns the bytes both ways since the last call.
func (p *place) wire() int64 { return p.sent.Swap(0) + p.received.Swap(0) }

// open connects a client, and closes it with the test.
func (p *place) open(o client.Options) *client.Replica {
	p.t.Helper()
	o.Dial = p.dial
	r, err := client.Open(context.Background(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	p.t.Cleanup(func() {
		stop()
		r.Close()
		running.Wait()
	})
	return r
}

// connPair is a pair of connected sockets of this machine.
func connPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	here, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, ok := <-accepted
	if !ok {
		t.Fatal("nothing was accepted")
	}
	return here, there
}

// counted counts the bytes of a connection.
type counted struct {
	net.Conn
	p *place
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.p.received.Add(int64(n))
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.p.sent.Add(int64(n))
	return n, err
}

// patience is how long a test waits for what must happen: long, because a test
// that passes never waits for it.
const patience = 20 * time.Second

// await asks again and again until f returns nil.
func await(t testing.TB, f func() error) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for err := f(); err != nil; err = f() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

var _ tree.Replica = (*client.Replica)(nil)
