package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// slow is a replica on a disk that takes its time before anything is done.
type slow struct {
	*local.Replica
	takes time.Duration
}

func (s slow) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	time.Sleep(s.takes) // on the fake clock
	return s.Replica.Apply(ctx, actions)
}

// serveSlow serves the folder at root on such a disk, as serveAs does.
func serveSlow(t *testing.T, root string, takes time.Duration) (here net.Conn, ended func()) {
	t.Helper()
	return serveAs(t, root, func(r *local.Replica) tree.Replica { return slow{r, takes} })
}

// serveAs serves the folder at root as what as makes of it, and returns the
// client's end of the connection. The session has ended when ended returns.
func serveAs(t *testing.T, root string, as func(*local.Replica) tree.Replica) (here net.Conn, ended func()) {
	t.Helper()
	replica, err := local.OpenReplica(root, local.ReplicaOptions{Durability: local.NeverSync})
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{Open: func(server.Request) (*server.Folder, func(), error) {
		return &server.Folder{Replica: as(replica), Reader: replica}, func() {}, nil
	}})
	here, there := net.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() {
		hello, err := server.Greet(there)
		s.Serve(t.Context(), there, "x", hello, err)
	})
	return here, func() {
		here.Close()
		serving.Wait()
		replica.Close()
	}
}

// TestStalled: a client that says nothing in the middle of a batch is not waited
// for without end; one that the server does not listen to, because its disk is
// slow, is not to blame.
func TestStalled(t *testing.T) {
	const files, size = 8, 1 << 20 // more than waits in memory
	for _, silent := range []bool{true, false} {
		root := filepath.Join(t.TempDir(), "replica")
		synctest.Test(t, func(t *testing.T) {
			here, ended := serveSlow(t, root, time.Hour)
			defer ended()
			var actions []*wire.Action
			for i := range files {
				actions = append(actions, copyAction(fmt.Sprint(i), size))
			}
			began := time.Now()
			u := upload(t, greeted(t, here), actions...)
			if silent {
				if _, err := u.Recv(); err == nil || time.Since(began) > 10*time.Minute {
					t.Errorf("a silent client: %v after %v", err, time.Since(began))
				}
				return
			}
			for i := range files {
				content := bytesOf(uint64(i), size)
				u.offers(i, content)
				u.sends(content)
			}
			succeeds(t, u)
		})
	}
}

// TestStalledBeforehand: a client that never has told all of its actions is not
// waited for without end either.
func TestStalledBeforehand(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	synctest.Test(t, func(t *testing.T) {
		here, ended := serveSlow(t, root, 0)
		defer ended()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		stream, err := greeted(t, here).Apply(ctx)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := stream.Send(&wire.ApplyRequest{Actions: []*wire.Action{copyAction("x", 1)}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err == nil || time.Since(began) > 10*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestStalledAtTheEnd: a client that never hears how its batch went is not
// waited for without end.
func TestStalledAtTheEnd(t *testing.T) {
	const actions = 2000
	root := filepath.Join(t.TempDir(), "replica")
	synctest.Test(t, func(t *testing.T) {
		here, ended := serveSlow(t, root, 0)
		defer ended()
		c := greeted(t, here)
		stream, err := c.Apply(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", 200) // is told in the error
		for i := range actions {
			a := &wire.Action{Kind: uint32(tree.Link), From: []byte(long), Path: []byte(long + "/x")}
			if err := stream.Send(&wire.ApplyRequest{Actions: []*wire.Action{a}, Begin: i == actions-1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // on the fake clock
		if _, err := c.Count(t.Context(), &wire.CountRequest{Limit: 1}); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		time.Sleep(10 * time.Minute) // on the fake clock
		if _, err := c.Count(t.Context(), &wire.CountRequest{Limit: 1}); err == nil {
			t.Error("the session goes on")
		}
	})
}

// TestStalledListing: the same with a listing.
func TestStalledListing(t *testing.T) {
	const entries = 3000
	root := filepath.Join(t.TempDir(), "replica")
	for i := range entries {
		write(t, filepath.Join(root, strings.Repeat("n", 150)+bytesName(i)), nil)
	}
	synctest.Test(t, func(t *testing.T) {
		here, ended := serveSlow(t, root, 0)
		defer ended()
		c := greeted(t, here)
		if _, err := c.List(t.Context(), &wire.ListRequest{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // on the fake clock
		if _, err := c.Count(t.Context(), &wire.CountRequest{Limit: 1}); err == nil {
			t.Error("the session goes on")
		}
	})
}

// TestManyCalls: however many calls take their time, the server is still asked
// how it is, and its link stays.
func TestManyCalls(t *testing.T) {
	const calls = 100
	root := filepath.Join(t.TempDir(), "replica")
	synctest.Test(t, func(t *testing.T) {
		here, ended := serveSlow(t, root, time.Minute)
		defer ended()
		h := &heard{}
		r, err := client.Open(t.Context(), client.Options{Observer: h, Dial: func(context.Context) (net.Conn, error) { return here, nil }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, calling sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		for i := range calls {
			calling.Go(func() {
				a := tree.Action{Kind: tree.Create, Path: tree.Path(fmt.Sprint(i)), Want: tree.Entry{Kind: tree.Folder, Mode: 0o755}}
				if out := r.Apply(t.Context(), []tree.Action{a}); out[0].Err != nil {
					t.Error(out[0].Err)
				}
			})
		}
		calling.Wait()
		if h.lost > 0 {
			t.Error("the link was given up")
		}
		stop()
		r.Close()
		running.Wait()
	})
}

// thick is a replica that takes large contents only when they may begin.
type thick struct {
	tree.Replica
	begin <-chan struct{}
}

func (r thick) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	if actions[0].Want.Size >= 16<<20 {
		<-r.begin
	}
	return r.Replica.Apply(ctx, actions)
}

// TestLargeFilesAtOnce: however many large files are on their way, small ones
// are not held up.
func TestLargeFilesAtOnce(t *testing.T) {
	const large = 14
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	begin := make(chan struct{})
	end := sync.OnceFunc(func() { close(begin) })
	defer end()
	p.folder.Replica = thick{p.folder.Replica, begin}
	r := p.open(client.Options{})
	copyOf := func(name string, size int64) []tree.Action {
		c := grained{bytes.NewReader(make([]byte, size)), size}
		return []tree.Action{{
			Kind: tree.Copy, Path: tree.Path(name), Want: c.Entry(), Open: func() (tree.Content, error) { return c, nil },
		}}
	}
	var begun, done sync.WaitGroup
	for i := range large {
		begun.Add(1)
		done.Go(func() {
			begun.Done()
			if out := r.Apply(t.Context(), copyOf(fmt.Sprint("large ", i), 16<<20)); out[0].Err != nil {
				t.Error(out[0].Err)
			}
		})
	}
	begun.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i := range 2 * large { // so that all the others have asked for their place
		name := fmt.Sprint("small ", i)
		if out := r.Apply(ctx, copyOf(name, 1)); out[0].Err != nil {
			t.Fatal(out[0].Err)
		}
		if found := r.Look(ctx, []tree.Path{tree.Path(name)}); found[0].Err != nil {
			t.Fatal(found[0].Err)
		}
	}
	end()
	done.Wait()
}
