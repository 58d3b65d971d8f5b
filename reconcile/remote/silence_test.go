package remote_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/tree"
)

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
		time.Sleep(time.Minute) // on the fake clock: an idle link stays
		if err := r.Check(); err != nil {
			t.Errorf("idle: %v", err)
		}
		dead.Store(true)
		died := time.Now()
		for r.Check() == nil && time.Since(died) < time.Hour {
			time.Sleep(time.Second) // on the fake clock
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
					time.Sleep(trickle) // on the fake clock
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
			time.Sleep(2 * time.Second) // on the fake clock: the other side ends
		})
	}
}

// TestNoGreeting: of a server that says nothing it is told for how long.
func TestNoGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go io.Copy(io.Discard, there)
		dial := func(context.Context) (net.Conn, error) { return here, nil }
		if _, err := client.Open(t.Context(), client.Options{Dial: dial}); err == nil || !strings.Contains(err.Error(), "within 20s") {
			t.Errorf("%v", err)
		}
		there.Close()
	})
}

// hung is a replica whose disk answers only when it may.
type hung struct {
	*local.Replica
	answer <-chan struct{}
}

func (h hung) Check() error {
	<-h.answer
	return h.Replica.Check()
}

// TestHungServer: of a server that hangs, although its pings are answered, it is
// told for how long.
func TestHungServer(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		here, ended := serveAs(t, root, func(r *local.Replica) tree.Replica { return hung{r, answer} })
		defer ended()
		calls := make(chan net.Conn, 1)
		calls <- here
		r, err := client.Open(t.Context(), client.Options{Dial: func(ctx context.Context) (net.Conn, error) {
			select {
			case conn := <-calls:
				return conn, nil
			default:
				return nil, syscall.ECONNREFUSED
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		var running sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		running.Go(func() { r.Run(ctx) })
		time.Sleep(35*time.Second + time.Millisecond) // on the fake clock: it is asked after 5 s
		synctest.Wait()
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), "has not answered for 30s") {
			t.Errorf("%v", err)
		}
		stop()
		close(answer)
		r.Close()
		running.Wait()
	})
}
