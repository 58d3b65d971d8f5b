package remote_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// raw connects to the server of p without any of the client's manners.
func raw(t testing.TB, p *place) wire.TreeClient {
	t.Helper()
	conn, err := p.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return greeted(t, conn)
}

// greeted makes calls over conn, at the other end of which is a server.
func greeted(t testing.TB, conn net.Conn) wire.TreeClient {
	t.Helper()
	if err := wire.SendHello(conn, &wire.Hello{Instance: []byte("raw")}); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.ReadWelcome(conn); err != nil {
		t.Fatal(err)
	}
	return calls(t, conn)
}

// calls makes calls over conn, whose greeting is over.
func calls(t testing.TB, conn net.Conn) wire.TreeClient {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return conn, nil }),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return wire.NewTreeClient(c)
}

// apply sends requests and returns what the server says to them.
func apply(t testing.TB, c wire.TreeClient, requests ...*wire.ApplyRequest) ([]*wire.Outcome, error) {
	t.Helper()
	stream, err := c.Apply(t.Context())
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		if stream.Send(r) != nil {
			break // Recv says why
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	var outcomes []*wire.Outcome
	for {
		reply, err := stream.Recv()
		if err == io.EOF {
			return outcomes, nil
		}
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, told(reply)...)
	}
}

func fileOf(size int64) *wire.Entry {
	return wire.FromEntry(tree.Entry{Kind: tree.File, Mode: 0o644, Size: size})
}

// told returns the outcomes of a reply, with those that are plain.
func told(reply *wire.ApplyReply) (outcomes []*wire.Outcome) {
	plain := func(n uint32) {
		for range n {
			outcomes = append(outcomes, &wire.Outcome{Did: uint32(tree.Copy)})
		}
	}
	for _, o := range reply.Outcomes {
		plain(o.Plain)
		outcomes = append(outcomes, o)
	}
	plain(reply.Plain)
	return outcomes
}

func begin(actions ...*wire.Action) *wire.ApplyRequest {
	return &wire.ApplyRequest{Actions: actions, Begin: true}
}

func steps(s ...*wire.Step) *wire.ApplyRequest { return &wire.ApplyRequest{Steps: s} }

func copyAction(path string, size int64) *wire.Action {
	return &wire.Action{Kind: uint32(tree.Copy), Path: []byte(path), Want: fileOf(size), Content: true}
}

// hostile are streams of requests that no client of ours would send, by what is
// wrong with them.
func hostile(t *testing.T) map[string][]*wire.ApplyRequest {
	t.Helper()
	id, empty, other := make([]byte, 16), tree.HashContent(nil), tree.HashContent([]byte("x"))
	bomb, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := bomb.EncodeAll(make([]byte, 512<<20), nil)
	wide := &wire.Action{Kind: uint32(tree.Create), Path: []byte("x"), Want: wire.FromEntry(tree.Entry{
		Kind: tree.Folder, Xattrs: []tree.Xattr{{Name: "user.x", Value: strings.Repeat("x", wire.MaxXattrs-10)}},
	})}
	var wideOnes []*wire.ApplyRequest
	for range 16 {
		wideOnes = append(wideOnes, &wire.ApplyRequest{Actions: []*wire.Action{wide}})
	}
	return map[string][]*wire.ApplyRequest{
		"X4 traversal":           {begin(copyAction("../x", 1))},
		"X4 absolute":            {begin(copyAction("/etc/x", 1))},
		"X4 from":                {begin(&wire.Action{Kind: uint32(tree.Rename), Path: []byte("x"), From: []byte("../y")})},
		"X4 unknown action":      {begin(&wire.Action{Kind: 99, Path: []byte("x")})},
		"X9 many actions":        {begin(make([]*wire.Action, wire.MaxActions+1)...)},
		"X9 many attributes":     append(wideOnes, begin(wide)),
		"X11 nothing at first":   {{}, begin(copyAction("x", 1))},
		"X11 nothing":            {begin(copyAction("x", 1)), {}},
		"X11 nothing of content": {begin(copyAction("x", 1)), steps(&wire.Step{Entry: fileOf(1)}, &wire.Step{})},
		"X9 many parts":          {begin(copyAction("x", 10)), steps(make([]*wire.Step, 1<<20)...)},
		"X9 huge message":        {{Data: make([]byte, wire.MaxMessage+1)}},
		"X9 huge chunk":          {begin(copyAction("x", 1<<40)), steps(&wire.Step{Entry: fileOf(1 << 40), Chunks: []*wire.Chunk{{Length: 1 << 39, Digest: id}}})},
		"X9 negative chunk":      {begin(copyAction("x", 10)), steps(&wire.Step{Entry: fileOf(10), Chunks: []*wire.Chunk{{Length: -1, Digest: id}}})},
		"X9 more than said":      {begin(copyAction("x", 10)), steps(&wire.Step{Entry: fileOf(10), Chunks: []*wire.Chunk{{Length: 11, Hole: true}}})},
		"X9 less than said":      {begin(copyAction("x", 10)), steps(&wire.Step{Entry: fileOf(10), Last: true})},
		"X9 index":               {begin(copyAction("x", 10)), steps(&wire.Step{Index: 1 << 31, Entry: fileOf(10)})},
		"X10 bomb":               {begin(copyAction("x", 1<<30)), steps(&wire.Step{Entry: fileOf(1 << 30), Chunks: []*wire.Chunk{{Length: 1 << 20, Digest: id}}}), {Data: packed, Length: wire.MaxMessage}},
		"X10 bomb that lies":     {begin(copyAction("x", 1<<30)), steps(&wire.Step{Entry: fileOf(1 << 30), Chunks: []*wire.Chunk{{Length: 1 << 20, Digest: id}}}), {Data: packed, Length: 1 << 31}},
		"X15 data unasked":       {begin(copyAction("x", 10)), {Data: []byte("abc")}},
		"X15 content first":      {steps(&wire.Step{Entry: fileOf(1)})},
		"X15 content twice":      {begin(copyAction("x", 0)), steps(&wire.Step{Entry: fileOf(0), Last: true}, &wire.Step{Entry: fileOf(0), Last: true})},
		"X15 out of turn":        {begin(copyAction("x", 0), copyAction("y", 0)), steps(&wire.Step{Index: 1, Entry: fileOf(0), Last: true}, &wire.Step{Entry: fileOf(0), Last: true})},
		"X15 digest cut off":     {begin(copyAction("x", 0), copyAction("y", 0)), steps(&wire.Step{Entry: fileOf(0), Last: true, Digest: other[:], Following: empty[1:]})},
		"X15 no such action":     {begin(copyAction("x", 0)), steps(&wire.Step{Entry: fileOf(0), Last: true, Digest: other[:], Following: empty[:]})},
		"X15 follows a part":     {begin(copyAction("x", 9), copyAction("y", 0)), steps(&wire.Step{Entry: fileOf(9), Following: empty[:]})},
		"X9 follows, huge":       {begin(copyAction("x", 0), copyAction("y", 1<<40)), steps(&wire.Step{Entry: fileOf(0), Last: true, Digest: other[:], Following: empty[:]})},
		"X15 planned twice":      {begin(copyAction("x", 0)), steps(&wire.Step{Planned: true}, &wire.Step{Planned: true, Last: true})},
		"X15 planned later":      {begin(copyAction("x", 0)), steps(&wire.Step{Entry: fileOf(0)}, &wire.Step{Planned: true, Last: true})},
		"X15 planned by nobody":  {begin(&wire.Action{Kind: uint32(tree.Copy), Path: []byte("x"), Content: true}), steps(&wire.Step{Planned: true, Last: true})},
		"X15 planned symlink":    {begin(&wire.Action{Kind: uint32(tree.Copy), Path: []byte("x"), Content: true, Want: &wire.Entry{Kind: uint32(tree.Symlink)}}), steps(&wire.Step{Planned: true, Last: true})},
		"X15 actions later":      {begin(copyAction("x", 0)), begin(copyAction("y", 0))},
		"X15 content of folder":  {begin(&wire.Action{Kind: uint32(tree.Create), Path: []byte("x"), Content: true})},
		"X26 chunk without name": {begin(copyAction("x", 1<<20)), steps(&wire.Step{Entry: fileOf(1 << 20), Chunks: []*wire.Chunk{{Length: 1 << 20}}})},
		"X26 wrong name":         {begin(copyAction("x", 10)), steps(&wire.Step{Entry: fileOf(10), Chunks: []*wire.Chunk{{Length: 10, Digest: id[:5]}}})},
	}
}

// TestHostileClient (X4, X9, X10, X15, X26) sends what no client of ours would.
// Nothing of it takes effect, nothing ends the server, and no memory is taken for
// it.
func TestHostileClient(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	p := newPlace(t, root)
	all := hostile(t) // takes a while, which the server does not wait for a call
	c := raw(t, p)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, requests := range all {
		outcomes, err := apply(t, c, requests...)
		if code := status.Code(err); code != codes.InvalidArgument && code != codes.ResourceExhausted && code != codes.Internal {
			t.Errorf("%s: %v, %v", name, outcomes, err)
		}
	}
	for _, path := range []string{"..", "a/../../b", "/etc"} {
		if _, err := c.Count(t.Context(), &wire.CountRequest{Path: []byte(path)}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("X4 count %q: %v", path, err)
		}
		look, err := c.Look(t.Context(), &wire.LookRequest{Paths: [][]byte{[]byte(path)}})
		if err == nil {
			_, err = look.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("X4 look %q: %v", path, err)
		}
		list, err := c.List(t.Context(), &wire.ListRequest{Path: []byte(path)})
		if err == nil {
			_, err = list.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("X4 list %q: %v", path, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 96<<20 {
		t.Errorf("X9 the heap grew by %d bytes", grown)
	}
	if names, err := os.ReadDir(root); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	// The server still serves: another file, and a content that is not what
	// was said is not published.
	good := []byte("good")
	whole := tree.HashContent(good)
	chunk := &wire.Chunk{Length: 4}
	outcomes, err := apply(t, c, begin(copyAction("good", 4), copyAction("bad", 4)),
		steps(&wire.Step{Entry: fileOf(4), Chunks: []*wire.Chunk{chunk}, Last: true, Digest: whole[:]},
			&wire.Step{Index: 1, Entry: fileOf(4), Chunks: []*wire.Chunk{chunk}, Last: true, Digest: whole[:]}),
		&wire.ApplyRequest{Data: []byte("goodevil")})
	if err != nil || len(outcomes) != 2 || outcomes[0].Error != nil || outcomes[1].Error == nil {
		t.Errorf("%v, %v", outcomes, err)
	}
	if names, _ := os.ReadDir(root); len(names) != 1 || names[0].Name() != "good" {
		t.Errorf("there is %v", names)
	}
}

// TestSymlinkPlanted (X5, X6): no path leads through a symlink, whoever made it.
func TestSymlinkPlanted(t *testing.T) {
	outside := t.TempDir()
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	write(t, filepath.Join(outside, "victim"), []byte("precious"))
	c := raw(t, p)
	link := &wire.Action{Kind: uint32(tree.Create), Path: []byte("link"), Want: wire.FromEntry(tree.Entry{Kind: tree.Symlink, Link: outside})}
	e := wire.FromEntry(tree.Entry{Kind: tree.File, Mode: 0o644})
	empty := tree.HashContent(nil)
	outcomes, err := apply(t, c,
		&wire.ApplyRequest{Begin: true, Actions: []*wire.Action{
			link, copyAction("link/victim", 0), {Kind: uint32(tree.Remove), Path: []byte("link/victim"), Over: uint32(tree.File)},
			{Kind: uint32(tree.Metadata), Path: []byte("link/victim"), Want: e},
		}},
		&wire.ApplyRequest{Steps: []*wire.Step{{Index: 1, Entry: e, Last: true, Digest: empty[:]}}})
	if err != nil || len(outcomes) != 4 || outcomes[1].Error == nil || outcomes[3].Error == nil || outcomes[2].Removed != 0 {
		t.Errorf("%v, %v", outcomes, err)
	}
	if content, err := os.ReadFile(filepath.Join(outside, "victim")); err != nil || string(content) != "precious" {
		t.Errorf("%q, %v", content, err)
	}
	list, err := c.List(t.Context(), &wire.ListRequest{Path: []byte("link"), Contents: true})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := list.Recv(); err != nil || len(reply.Entries) > 0 && reply.Entries[0].Error == nil {
		t.Errorf("the symlink was followed: %v, %v", reply, err)
	}
}

// TestWideFolder (X27): a folder of many entries comes in pieces.
func TestWideFolder(t *testing.T) {
	const entries = 20_000
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	for i := range entries {
		write(t, filepath.Join(p.root, "wide", bytesName(i)), nil)
	}
	c := raw(t, p)
	list, err := c.List(t.Context(), &wire.ListRequest{Path: []byte("wide"), Contents: true})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for {
		reply, err := list.Recv()
		if err != nil {
			t.Fatal(err)
		}
		count += len(reply.Entries)
		if size := proto.Size(reply); size > wire.MaxPiece+4096 {
			t.Errorf("a message of %d bytes", size)
		}
		if reply.Complete {
			break
		}
	}
	if count != entries {
		t.Errorf("%d entries", count)
	}
}

// bytesName returns a name of some length.
func bytesName(i int) string { return strings.Repeat("n", 60) + strconv.Itoa(i) }

// FuzzServer throws messages at the handlers: none panics, none writes outside
// of the folder.
func FuzzServer(f *testing.F) {
	outside := f.TempDir()
	p := newPlace(f, filepath.Join(outside, "replica"))
	c := raw(f, p)
	f.Add([]byte("a"), []byte("b"), uint32(2), int64(4), []byte("data"), true)
	f.Add([]byte("../x"), []byte("x"), uint32(6), int64(-1), []byte{0x28, 0xb5, 0x2f, 0xfd}, false)
	f.Fuzz(func(t *testing.T, path, from []byte, kind uint32, length int64, data []byte, last bool) {
		e := &wire.Entry{Kind: 1, Mode: 0o600, Size: length}
		requests := []*wire.ApplyRequest{
			{Begin: true, Actions: []*wire.Action{{Kind: kind, Path: path, From: from, Want: e, Over: kind >> 3, Content: last}}},
			{Steps: []*wire.Step{{Entry: e, Chunks: []*wire.Chunk{{Length: length, Digest: from}}, Last: last, Digest: data, Following: data}}},
			{Data: data, Length: uint32(length)},
		}
		apply(t, c, requests...)
		c.Count(t.Context(), &wire.CountRequest{Path: path, Limit: length})
		if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
			t.Fatalf("outside of the folder: %v, %v", names, err)
		}
	})
}
