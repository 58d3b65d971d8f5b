package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// raceFor is how long two connections race.
const raceFor = 3 * time.Second

// admitted connects as an instance; nil when the server does not admit it.
func admitted(t *testing.T, p *place, hello *wire.Hello) (wire.TreeClient, func()) {
	conn, err := p.dial(t.Context())
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	if err = wire.SendHello(conn, hello); err == nil {
		_, err = wire.ReadWelcome(conn)
	}
	if err != nil {
		conn.Close()
		return nil, nil
	}
	calls, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return conn, nil }))
	if err != nil {
		t.Error(err)
		conn.Close()
		return nil, nil
	}
	return wire.NewTreeClient(calls), func() { calls.Close() }
}

// flip lets the name "door" be a folder and a symlink that leads out, in turn.
func flip(outside string) []*wire.ApplyRequest {
	remove := func(over tree.Kind) *wire.Action {
		return &wire.Action{Kind: uint32(tree.Remove), Path: []byte("door"), Over: uint32(over)}
	}
	folder := wire.FromEntry(tree.Entry{Kind: tree.Folder, Mode: 0o755})
	link := wire.FromEntry(tree.Entry{Kind: tree.Symlink, Link: outside})
	return []*wire.ApplyRequest{
		{Begin: true, Actions: []*wire.Action{remove(tree.Folder), {Kind: uint32(tree.Create), Path: []byte("door"), Want: link}}},
		{Begin: true, Actions: []*wire.Action{remove(tree.Symlink), {Kind: uint32(tree.Create), Path: []byte("door"), Want: folder}}},
	}
}

// through writes, changes, renames, lists and removes below "door".
func through(t *testing.T, c wire.TreeClient, i int) {
	content := []byte("taken over")
	digest := tree.HashContent(content)
	e := wire.FromEntry(tree.Entry{Kind: tree.File, Mode: 0o666, Size: int64(len(content))})
	fresh := fmt.Appendf(nil, "door/new%d", i%8)
	actions := []*wire.Action{
		{Kind: uint32(tree.Copy), Path: fresh, Want: e, Content: true},
		{Kind: uint32(tree.Update), Path: []byte("door/victim"), Over: uint32(tree.File), Want: e, Content: true},
		{Kind: uint32(tree.Metadata), Path: []byte("door/victim"), Want: e},
		{Kind: uint32(tree.Rename), Path: []byte("stolen"), From: []byte("door/victim"), Want: e},
		{Kind: uint32(tree.Link), Path: []byte("linked"), From: []byte("door/victim"), Want: e},
		{Kind: uint32(tree.Remove), Path: []byte("door/victim"), Over: uint32(tree.File)},
	}
	step := func(index uint32) *wire.Step {
		return &wire.Step{Index: index, Entry: e, Chunks: []*wire.Chunk{{Length: int64(len(content))}}, Last: true, Digest: digest[:]}
	}
	// Either may be cut off by the other connection, which is the point.
	apply(t, c, &wire.ApplyRequest{Begin: true, Actions: actions},
		&wire.ApplyRequest{Steps: []*wire.Step{step(0), step(1)}, Data: bytes.Repeat(content, 2)})
	if list, err := c.List(t.Context(), &wire.ListRequest{Path: []byte("door"), Contents: true}); err == nil {
		for {
			reply, err := list.Recv()
			if err != nil {
				break
			}
			for _, found := range reply.Entries {
				if found.Entry != nil && string(found.Entry.Name) == "secret" {
					t.Error("the server told what stands outside")
				}
			}
		}
	}
}

// TestTwoConnectionsRace (X6): two connections of one hostile client, of which
// one turns a folder into a symlink and back as fast as it can while the other
// works below it. One of them holds the folder at a time, whoever it is, and
// nothing outside is read or changed. Readers look on meanwhile.
func TestTwoConnectionsRace(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	write(t, filepath.Join(outside, "victim"), []byte("precious"))
	write(t, filepath.Join(outside, "secret"), []byte("precious"))
	before := standing(t, outside)
	p := newPlace(t, filepath.Join(base, "replica"))
	until := time.Now().Add(raceFor)
	var racers sync.WaitGroup
	var flips, entries, looks atomic.Int64
	race := func(hello *wire.Hello, counter *atomic.Int64, work func(wire.TreeClient, int)) {
		racers.Go(func() {
			for i := 0; time.Now().Before(until); {
				c, leave := admitted(t, p, hello)
				if c == nil {
					continue
				}
				// A few turns, then the other one's.
				for range 20 {
					work(c, i)
					i++
					counter.Add(1)
				}
				leave()
			}
		})
	}
	flipping := flip(outside)
	// Calls of one connection overlap as well.
	flipper := func(c wire.TreeClient, i int) {
		var beside sync.WaitGroup
		beside.Go(func() { through(t, c, i) })
		for turn := range 4 {
			apply(t, c, flipping[turn%2])
		}
		beside.Wait()
	}
	enterer := func(c wire.TreeClient, i int) { through(t, c, i) }
	// The same instance takes the folder from itself in mid-call; another one
	// has to wait for its turn.
	race(&wire.Hello{Instance: []byte("one")}, &flips, flipper)
	race(&wire.Hello{Instance: []byte("one")}, &entries, enterer)
	race(&wire.Hello{Instance: []byte("two")}, &entries, enterer)
	race(&wire.Hello{ReadOnly: true}, &looks, enterer)
	racers.Wait()
	if after := standing(t, outside); after != before {
		t.Errorf("outside stands\n%swhere stood\n%s", after, before)
	}
	for _, name := range []string{"stolen", "linked"} {
		if content, err := os.ReadFile(filepath.Join(p.root, name)); err == nil && string(content) == "precious" {
			t.Errorf("%s is the file from outside", name)
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
	t.Logf("%d flips, %d times through the door, %d looks", flips.Load(), entries.Load(), looks.Load())
	if flips.Load() == 0 || entries.Load() == 0 || looks.Load() == 0 {
		t.Error("there was no race")
	}
}

// standing tells all that stands in a folder, with times and contents.
func standing(t *testing.T, folder string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintln(e.Name(), info.Mode(), info.Size(), info.ModTime(), string(content))
	}
	return all
}
