package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

// roundTrip is how far away a distant server is.
const roundTrip = 50 * time.Millisecond

// distance stands before a server and holds whatever is sent to it for a round trip. Bandwidth is not bounded.
type distance struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	server string // where connections lead to
}

// newDistance listens on the loopback until close, which waits for the ends of all connections.
func newDistance() (*distance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &distance{listener: listener}
	d.running.Go(d.accept)
	return d, nil
}

func (d *distance) close() {
	d.listener.Close()
	d.running.Wait()
}

// serve is [lab.serve] behind the distance.
func (d *distance) serve(l *lab) offer {
	return func(ctx context.Context, folder string) (*far, error) {
		f, err := l.serve(ctx, folder)
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(f.url)
		if err != nil {
			f.stop()
			return nil, err
		}
		d.mu.Lock()
		d.server = u.Host
		d.mu.Unlock()
		u.Host = d.listener.Addr().String()
		f.url = u.String()
		return f, nil
	}
}

// accept connects whoever comes, until the listener is closed.
func (d *distance) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		server, err := net.Dial("tcp", d.server)
		d.mu.Unlock()
		if err != nil {
			client.Close()
			continue
		}
		d.running.Go(func() { hold(server, client) })
		d.running.Go(func() {
			_, _ = io.Copy(client, server)
			client.Close()
		})
	}
}

// parcel is on its way until then.
type parcel struct {
	due  time.Time
	data []byte
}

// hold passes on what comes from the client a round trip later, and its end, too.
func hold(server, client net.Conn) {
	const underWay = 1 << 16 // more than comes in a round trip
	parcels := make(chan parcel, underWay)
	go func() { // ends with the client, whose connection ends with the server's
		defer close(parcels)
		data := make([]byte, 64<<10)
		for {
			n, err := client.Read(data)
			if parcels <- (parcel{time.Now().Add(roundTrip), bytes.Clone(data[:n])}); err != nil {
				return
			}
		}
	}()
	defer server.Close()
	for p := range parcels {
		time.Sleep(time.Until(p.due))
		if _, err := server.Write(p.data); err != nil {
			client.Close()
		}
	}
}

// pushDistant holds first pushes to a distant server against those to one that is near.
func pushDistant(ctx context.Context, l *lab) ([]line, error) {
	const more = 3 * time.Second
	p, err := l.pair(ctx, pairSmall)
	if err != nil {
		return nil, err
	}
	d, err := newDistance()
	if err != nil {
		return nil, err
	}
	defer d.close()
	h, r := freshHost(l)
	defer r.empty()
	defer h.stop()
	distant := h.program("lockstep", d.serve(l), func(string) []string { return h.far.once(l, p.source) })
	times, err := l.contest(ctx, l.rounds, p.warm(ctx), distant, h.lockstep(p.source))
	if err != nil {
		return nil, err
	}
	away, near := times[0].quantile(0.5), times[1].quantile(0.5)
	return []line{{
		ours: short(away), peer: "to a server that is near", theirs: short(near),
		target: "≤ " + short(near+more), verdict: holds(away <= near+more),
	}}, silently(ctx, "diff", "-rq", "--no-dereference", p.source, r.to())
}
