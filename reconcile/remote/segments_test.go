package remote_test

// However many parts a content has, the server neither keeps them in memory nor
// refuses them.

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestManySegments (X9): however many parts a content has that the replica has,
// and however long the first one is waited for, the server does not keep them in
// memory; and it does not refuse them.
func TestManySegments(t *testing.T) {
	const part, parts, most = 512, 150_000, 12 << 20
	known, first := bytesOf(1, part), bytesOf(2, part)
	size := int64((parts + 1) * part)
	for _, kind := range []tree.ActionKind{tree.Copy, tree.Update} {
		p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
		write(t, filepath.Join(p.root, "known"), known)
		write(t, filepath.Join(p.root, "old"), []byte("old"))
		c := raw(t, p)
		digests(t, c)
		action := copyAction("new", size)
		if kind == tree.Update {
			action = &wire.Action{Kind: uint32(kind), Path: []byte("old"), Over: uint32(tree.File), Want: fileOf(size), Content: true}
		}
		u := upload(t, c, action)
		before := heap()
		whole := bytes.Join([][]byte{first, bytes.Repeat(known, parts)}, nil)
		digest := tree.HashContent(whole)
		u.asks(&wire.Step{Planned: true, Chunks: []*wire.Chunk{named(first)}})
		for told := 0; told < parts; {
			n := min(8000, parts-told)
			step := &wire.Step{Chunks: slices.Repeat([]*wire.Chunk{named(known)}, n)}
			if told += n; told == parts {
				step.Last, step.Digest = true, digest[:]
			}
			if needed := u.asks(step); slices.Contains(needed, true) {
				t.Fatal("it is there, and is needed")
			}
		}
		if grown := heap() - before - int64(len(whole)); grown > most {
			t.Errorf("%v: %d MB for %d parts", kind, grown>>20, parts)
		}
		u.sends(first)
		succeeds(t, u)
		holds(t, filepath.Join(p.root, string(action.Path)), whole)
	}
}

// digests has the server read all files of its root.
func digests(t *testing.T, c wire.TreeClient) {
	t.Helper()
	list, err := c.List(t.Context(), &wire.ListRequest{Contents: true})
	if err == nil {
		_, err = list.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// named is a chunk of those bytes.
func named(content []byte) *wire.Chunk {
	name := wire.ChunkIDOf(tree.HashContent(content))
	return &wire.Chunk{Length: int64(len(content)), Digest: name[:]}
}

// TestManyParts: what stands in a content's place is compared with it, and what
// the content has is read again then, however many parts that are.
func TestManyParts(t *testing.T) {
	const size, grain = 4 << 20, 512
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	r := p.open(client.Options{})
	content := bytesOf(1, size)
	for at := grain; at < size; at += 2 * grain {
		clear(content[at : at+grain])
	}
	for _, changed := range []int{0, size / 2, size - grain - 1} {
		old := bytes.Clone(content)
		old[changed]++
		write(t, filepath.Join(p.root, "grained"), old)
		g := grained{bytes.NewReader(content), grain}
		action := tree.Action{
			Kind: tree.Update, Path: "grained", Over: tree.File, Want: g.Entry(),
			Open: func() (tree.Content, error) { return g, nil },
		}
		if out := r.Apply(t.Context(), []tree.Action{action}); out[0].Err != nil {
			t.Errorf("changed at %d: %v", changed, out[0].Err)
		}
		holds(t, filepath.Join(p.root, "grained"), content)
	}
}

// TestChunksThatNeverCome (X9): a client that tells of more and more chunks, and
// sends none, is refused.
func TestChunksThatNeverCome(t *testing.T) {
	const messages, chunks = 40, 8000
	c := raw(t, newPlace(t, filepath.Join(t.TempDir(), "replica")))
	requests := []*wire.ApplyRequest{begin(copyAction("x", 1<<40))}
	for i := range messages {
		step := &wire.Step{Planned: i == 0}
		for n := range chunks {
			name := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i*chunks+n))
			step.Chunks = append(step.Chunks, &wire.Chunk{Length: 512, Digest: name})
		}
		requests = append(requests, steps(step))
	}
	if _, err := apply(t, c, requests...); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v", err)
	}
}

// TestStepsThatWait (X9): as little is kept of steps for which there is no room
// yet.
func TestStepsThatWait(t *testing.T) {
	const megabyte, part, messages, holes = 1 << 20, 64 << 10, 10, 10_000
	p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
	known := bytesOf(1, part)
	write(t, filepath.Join(p.root, "known"), known)
	c := raw(t, p)
	digests(t, c)
	files := []*wire.Action{copyAction("first", part)}
	chunks := []*wire.Step{{Planned: true, Last: true, Digest: make([]byte, 32), Chunks: []*wire.Chunk{named(bytesOf(2, part))}}}
	for i := range 6 {
		files = append(files, copyAction("full"+bytesName(i), megabyte))
		chunks = append(chunks, &wire.Step{
			Index: uint32(i + 1), Planned: true, Last: true, Digest: make([]byte, 32),
			Chunks: slices.Repeat([]*wire.Chunk{named(known)}, megabyte/part),
		})
	}
	requests := []*wire.ApplyRequest{begin(append(files, copyAction("last", 1<<40))...), steps(chunks...)}
	for i := range messages {
		requests = append(requests, steps(&wire.Step{
			Index: uint32(len(files)), Planned: i == 0, Chunks: slices.Repeat([]*wire.Chunk{{Length: 512, Hole: true}}, holes),
		}))
	}
	if _, err := apply(t, c, requests...); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v", err)
	}
}
