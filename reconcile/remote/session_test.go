package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

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
	for i, conn := range conns[:2] {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("link %d goes on beside the next one", i)
		}
	}
	if _, err := calls(t, conns[2]).Count(t.Context(), &wire.CountRequest{Limit: 1}); err != nil {
		t.Errorf("the last one: %v", err)
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

// TestManyAttributes: however large the attributes of many actions are, no call
// has more of them than a server takes.
func TestManyAttributes(t *testing.T) {
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	p.folder.Replica = &altered{Replica: p.folder.Replica, err: syscall.ENOSPC}
	r := p.open(client.Options{})
	many := []tree.Xattr{}
	for i := range 1000 {
		many = append(many, tree.Xattr{Name: fmt.Sprintf("user.%04d", i)})
	}
	actions := make([]tree.Action, 200)
	for i := range actions {
		actions[i] = tree.Action{Kind: tree.Create, Path: tree.Path(fmt.Sprint(i)), Want: tree.Entry{Kind: tree.Folder, Xattrs: many}}
		if i%3 == 0 {
			actions[i].Want.Xattrs = []tree.Xattr{{Name: "user.x", Value: strings.Repeat("x", 900_000)}}
		}
	}
	for i, out := range r.Apply(t.Context(), actions) {
		if !errors.Is(out.Err, syscall.ENOSPC) {
			t.Fatalf("action %d: %+v", i, out)
		}
	}
}

// TestManyLook (X9): so many clients may look at the same time, and each of them
// makes room when it leaves.
func TestManyLook(t *testing.T) {
	const most = 8
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	look := func() (*client.Replica, error) {
		return client.Open(t.Context(), client.Options{Dial: p.dial, ReadOnly: true})
	}
	var looking []*client.Replica
	for range most {
		r, err := look()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		looking = append(looking, r)
	}
	if _, err := look(); !errors.Is(err, wire.ErrBusy) || client.IsFinal(err) {
		t.Errorf("one more: %v", err)
	}
	p.open(client.Options{}) // is not kept out
	looking[0].Close()
	await(t, func() error {
		r, err := look()
		if err == nil {
			r.Close()
		}
		return err
	})
}

// TestManyPaths (X9): of however many paths are asked for at once, few are looked
// at together, for their attributes may be large.
func TestManyPaths(t *testing.T) {
	const asked, most = 1000, 64
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	looks := &lookedAt{Replica: p.folder.Replica}
	p.folder.Replica = looks
	write(t, filepath.Join(p.root, "0"), nil)
	paths := make([]tree.Path, asked)
	for i := range paths {
		paths[i] = tree.Path(fmt.Sprint(i))
	}
	found := p.open(client.Options{}).Look(t.Context(), paths)
	for i, f := range found {
		if f.Err != nil || (i == 0) != (f.Entry.Kind == tree.File) {
			t.Fatalf("%d: %+v", i, f)
		}
	}
	if looks.most > most {
		t.Errorf("%d together", looks.most)
	}
}

// lookedAt is a replica that counts how many paths are looked at together.
type lookedAt struct {
	tree.Replica
	most int
}

func (l *lookedAt) Look(ctx context.Context, paths []tree.Path) []tree.Found {
	l.most = max(l.most, len(paths))
	return l.Replica.Look(ctx, paths)
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
	if n := p.dials.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
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
