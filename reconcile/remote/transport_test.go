package remote_test

import (
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
)

// trickling cuts everything into single bytes.
type trickling struct{ net.Conn }

func (c trickling) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

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

// delaying holds everything written back for a round trip, and keeps it in
// order. Bandwidth is not bounded.
type delaying struct {
	net.Conn
	by     time.Duration
	lines  chan late
	closed chan struct{}
	close  func()
}

type late struct {
	at   time.Time
	data []byte
}

func newDelaying(c net.Conn, by time.Duration) *delaying {
	d := &delaying{Conn: c, by: by, lines: make(chan late, 1<<16), closed: make(chan struct{})}
	d.close = sync.OnceFunc(func() { close(d.closed) })
	go d.deliver()
	return d
}

// deliver passes on what was written, each piece at its time, and ends with
// the connection.
func (d *delaying) deliver() {
	for {
		select {
		case l := <-d.lines:
			select {
			case <-time.After(time.Until(l.at)): // the distance to the server is the subject
			case <-d.closed:
				return
			}
			if _, err := d.Conn.Write(l.data); err != nil {
				d.Close()
			}
		case <-d.closed:
			return
		}
	}
}

func (d *delaying) Close() error {
	d.close()
	return d.Conn.Close()
}

func (d *delaying) Write(p []byte) (int, error) {
	d.lines <- late{time.Now().Add(d.by), append([]byte(nil), p...)}
	return len(p), nil
}

// TestRoundTrips: a round trip of 50 ms costs a push of many small files
// little: requests are pipelined. It runs in real time: in a bubble the clock
// would stand still while one worker waits for a lock and its holder for the
// server.
func TestRoundTrips(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const folders, files = 20, 100
	const trip = 50 * time.Millisecond
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
	far := push(func(c net.Conn) net.Conn { return newDelaying(c, trip) })
	t.Logf("%d files: %v near, %v with a round trip of %v", folders*files, near, far, trip)
	if far-near > 3*time.Second {
		t.Errorf("a round trip of %v costs %v", trip, far-near)
	}
}
