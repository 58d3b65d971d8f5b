package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime/metrics"
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

// distant is the client's end of a connection to a server that is far away, on
// a machine that takes no time for anything: what is written travels when
// everybody waits. So each flight is a round trip that somebody waits for, and
// no clock is asked.
type distant struct {
	net.Conn
	*flights
}

// flights are those of all connections of a test.
type flights struct {
	mu      sync.Mutex
	waiting []parcel
	flown   int
}

type parcel struct {
	to   net.Conn
	data []byte
}

// Write has p wait for the next flight.
func (d distant) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, parcel{d.Conn, bytes.Clone(p)})
	return len(p), nil
}

// run has one flight after the other until ctx ends. Everybody waits if that is
// seen again and again, for longer than a server gathers what it tells.
func (f *flights) run(ctx context.Context) {
	const often = 4
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for seen := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if seen++; !othersWait() {
			seen = 0
		}
		if seen == often {
			seen = 0
			f.fly()
		}
	}
}

// othersWait reports whether no goroutine but this one runs, could run, or is in
// a system call.
func othersWait() bool {
	busy := []metrics.Sample{
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/sched/goroutines/not-in-go:goroutines"},
	}
	metrics.Read(busy)
	return busy[0].Value.Uint64()+busy[1].Value.Uint64()+busy[2].Value.Uint64() == 1
}

// fly delivers what waits. A connection that has ended takes no more.
func (f *flights) fly() {
	f.mu.Lock()
	parcels := f.waiting
	f.waiting = nil
	if len(parcels) > 0 {
		f.flown++
	}
	f.mu.Unlock()
	for _, p := range parcels {
		_, _ = p.to.Write(p.data)
	}
}

// TestRoundTrips: requests are pipelined. A push of 10,000 small files waits for
// so few round trips that one of 50 ms costs it three seconds at most.
func TestRoundTrips(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const files, folders, most = 10_000, 20, int(3 * time.Second / (50 * time.Millisecond))
	source := t.TempDir()
	for i := range files {
		write(t, filepath.Join(source, fmt.Sprint("folder", i%folders), fmt.Sprint(i)), bytesOf(uint64(i), 2000))
	}
	f := &flights{}
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	p.pair = net.Pipe // in which nothing is under way unseen
	p.wrap = func(c net.Conn) net.Conn { return distant{c, f} }
	ctx, stop := context.WithCancel(t.Context())
	var flying sync.WaitGroup
	flying.Go(func() { f.run(ctx) })
	defer flying.Wait()
	defer stop()

	r := p.open(client.Options{})
	s, err := local.OpenSource(source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	report, err := reconcile.New(s, r, reconcile.Options{Workers: 4, Comparers: 8}).Once(t.Context())
	if err != nil || !report.Equal {
		t.Fatalf("%+v, %v", report, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d files were pushed in %d round trips", files, f.flown)
	if f.flown > most {
		t.Errorf("more than %d", most)
	}
}
