package identity

import (
	"crypto/tls"
	"net"
	"sync"
)

// gatherSize is from how much on records go to the system together.
const gatherSize = 128 << 10

// secured is a connection whose records go to the system several at a time:
// package tls hands on one by one what comes at once.
type secured struct {
	*tls.Conn
	gather *gather
}

// Write writes p, and returns when all of it was handed to the system.
func (s *secured) Write(p []byte) (int, error) {
	s.gather.hold()
	n, err := s.Conn.Write(p)
	if flushErr := s.gather.release(); err == nil && flushErr != nil {
		return 0, flushErr
	}
	return n, err
}

// gather is the connection below: what is written while it is held goes on
// together.
type gather struct {
	net.Conn

	// Guarded by mu.
	mu      sync.Mutex
	holders int
	held    []byte
	err     error // of an earlier write; nothing more is written
}

func (g *gather) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders++
}

func (g *gather) release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders--
	return g.flush()
}

// Write takes a record.
func (g *gather) Write(record []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holders == 0 && len(g.held) == 0 {
		return g.Conn.Write(record)
	}
	if g.err == nil {
		g.held = append(g.held, record...)
	}
	if g.holders == 0 || len(g.held) >= gatherSize {
		g.flush()
	}
	if g.err != nil {
		return 0, g.err
	}
	return len(record), nil
}

// flush hands on what is held. The caller holds mu.
func (g *gather) flush() error {
	if len(g.held) > 0 && g.err == nil {
		_, g.err = g.Conn.Write(g.held)
	}
	g.held = g.held[:0]
	return g.err
}
