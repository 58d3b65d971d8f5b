package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// counted is a connection that counts what it hands to the system, and fails
// when it is told to.
type counted struct {
	net.Conn
	writes atomic.Int32
	broken atomic.Bool
}

var errBroken = errors.New("broken")

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	if c.broken.Load() {
		return 0, errBroken
	}
	return c.Conn.Write(p)
}

// TestGather: what is written at once goes to the system in few pieces, all of
// it before Write returns, and its end is told.
func TestGather(t *testing.T) {
	key := newTestKey(t)
	here, there := net.Pipe()
	below := &counted{Conn: here}
	served := make(chan net.Conn, 1)
	go func() {
		conn, _, err := key.Server(context.Background(), there)
		if err != nil {
			t.Error(err)
		}
		served <- conn
	}()
	client, err := key.Client(t.Context(), below, key.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	server := <-served
	if server == nil {
		t.FailNow()
	}
	defer there.Close()

	sent := make([]byte, 300<<10)
	rand.Read(sent)
	received := make([]byte, len(sent))
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(server, received)
		done <- err
	}()
	below.writes.Store(0)
	if n, err := client.Write(sent); n != len(sent) || err != nil {
		t.Fatal(n, err)
	}
	if err := <-done; err != nil || !bytes.Equal(received, sent) {
		t.Errorf("what came is not what was sent: %v", err)
	}
	if n := below.writes.Load(); n > 4 {
		t.Errorf("%d writes", n)
	}
	below.broken.Store(true)
	if _, err := client.Write([]byte("lost")); !errors.Is(err, errBroken) {
		t.Errorf("a write that is lost: %v", err)
	}
	if _, err := client.Write([]byte("lost too")); err == nil {
		t.Error("a write after one that was lost")
	}
}
