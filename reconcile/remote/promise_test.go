package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/zeebo/blake3"
	"google.golang.org/grpc"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// uploading is one call of Apply, a step at a time.
type uploading struct {
	t *testing.T
	grpc.BidiStreamingClient[wire.ApplyRequest, wire.ApplyReply]
}

// upload begins to copy files of those sizes.
func upload(t *testing.T, c wire.TreeClient, files ...*wire.Action) uploading {
	t.Helper()
	stream, err := c.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u := uploading{t, stream}
	u.say(begin(files...))
	return u
}

func (u uploading) say(r *wire.ApplyRequest) {
	u.t.Helper()
	if err := u.Send(r); err != nil {
		u.t.Fatal(err)
	}
}

// offers offers the whole content of file i in those chunks, and returns which
// of them the server needs.
func (u uploading) offers(i int, chunks ...[]byte) (needed []bool) {
	u.t.Helper()
	whole := bytes.Join(chunks, nil)
	digest := tree.HashContent(whole)
	step := &wire.Step{Index: uint32(i), Entry: fileOf(int64(len(whole))), Last: true, Digest: digest[:]}
	for _, c := range chunks {
		name := wire.ChunkIDOf(blake3.Sum256(c))
		step.Chunks = append(step.Chunks, &wire.Chunk{Length: int64(len(c)), Digest: name[:]})
	}
	return u.asks(step)
}

// asks tells a step, and returns which of its chunks the server needs.
func (u uploading) asks(step *wire.Step) (needed []bool) {
	u.t.Helper()
	u.say(steps(step))
	for len(needed) < len(step.Chunks) {
		reply, err := u.Recv()
		if err != nil {
			u.t.Fatal(err)
		}
		for n := range int(reply.Answered) {
			needed = append(needed, reply.Need[n/8]&(1<<(n%8)) != 0)
		}
	}
	return needed
}

// ends returns how it went with each file.
func (u uploading) ends() (errs []error) {
	u.t.Helper()
	if err := u.CloseSend(); err != nil {
		u.t.Fatal(err)
	}
	for {
		reply, err := u.Recv()
		if err == io.EOF {
			return errs
		}
		if err != nil {
			u.t.Fatal(err)
		}
		for _, o := range told(reply) {
			errs = append(errs, wire.ToError(o.Error))
		}
	}
}

func holds(t *testing.T, path string, content []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s: %d bytes, %v", path, len(got), err)
	}
}

// TestPromiseKept: a batch waits for what another one is about to receive, in
// a small file and at the beginning of one that is written while it arrives.
func TestPromiseKept(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	c := raw(t, newPlace(t, root))
	shared := bytesOf(1, 20_000)
	large := [][]byte{shared}
	for i := range uint64(12) {
		large = append(large, bytesOf(100+i, 1<<20))
	}
	size := int64(len(shared)) + 12<<20

	first := upload(t, c, copyAction("first", int64(len(shared))))
	if needed := first.offers(0, shared); !needed[0] {
		t.Fatal("nobody has it, and it is not needed")
	}
	small := upload(t, c, copyAction("small", int64(len(shared))))
	if needed := small.offers(0, shared); needed[0] {
		t.Error("what is on its way is to be sent again for a small file")
	}
	streamed := upload(t, c, copyAction("streamed", size))
	if needed := streamed.offers(0, large...); needed[0] {
		t.Error("what is on its way is to be sent again for a large file")
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for _, data := range large[1:] {
			err = errors.Join(err, streamed.Send(&wire.ApplyRequest{Data: data}))
		}
		sent <- err
	}()
	first.say(&wire.ApplyRequest{Data: shared})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	for _, u := range []uploading{first, small, streamed} {
		if errs := u.ends(); len(errs) != 1 || errs[0] != nil {
			t.Error(errs)
		}
	}
	holds(t, filepath.Join(root, "first"), shared)
	holds(t, filepath.Join(root, "small"), shared)
	holds(t, filepath.Join(root, "streamed"), bytes.Join(large, nil))
}

// TestPromiseBroken: what another batch was to receive does not come. The file
// is to be offered again, and then it is needed.
func TestPromiseBroken(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	c := raw(t, newPlace(t, root))
	shared := bytesOf(1, 20_000)

	first := upload(t, c, copyAction("first", int64(len(shared))))
	first.offers(0, shared)
	second := upload(t, c, copyAction("second", int64(len(shared))))
	if needed := second.offers(0, shared); needed[0] {
		t.Fatal("what is on its way is to be sent again")
	}
	if errs := first.ends(); len(errs) != 1 || errs[0] == nil {
		t.Errorf("the file whose content did not come: %v", errs)
	}
	if errs := second.ends(); len(errs) != 1 || !errors.Is(errs[0], tree.ErrConflict) {
		t.Errorf("the file that was to share it: %v", errs)
	}
	again := upload(t, c, copyAction("second", int64(len(shared))))
	if needed := again.offers(0, shared); !needed[0] {
		t.Fatal("nobody has it, and it is not needed")
	}
	again.say(&wire.ApplyRequest{Data: shared})
	if errs := again.ends(); len(errs) != 1 || errs[0] != nil {
		t.Error(errs)
	}
	holds(t, filepath.Join(root, "second"), shared)
}

// TestPromisesDoNotCross: two batches have the same two files in another order.
// One waits for the other, and never each for the other.
func TestPromisesDoNotCross(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	c := raw(t, newPlace(t, root))
	x, y := bytesOf(1, 20_000), bytesOf(2, 30_000)
	sizeX, sizeY := int64(len(x)), int64(len(y))

	a := upload(t, c, copyAction("ax", sizeX), copyAction("ay", sizeY))
	b := upload(t, c, copyAction("by", sizeY), copyAction("bx", sizeX))
	steps := []struct {
		of      uploading
		file    int
		content []byte
		needed  bool
	}{
		{a, 0, x, true}, {b, 0, y, true}, {b, 1, x, false}, {a, 1, y, true},
	}
	for i, s := range steps {
		if needed := s.of.offers(s.file, s.content); needed[0] != s.needed {
			t.Errorf("offer %d: needed %v, should be %v", i, needed[0], s.needed)
		}
	}
	b.say(&wire.ApplyRequest{Data: y})
	a.say(&wire.ApplyRequest{Data: x})
	a.say(&wire.ApplyRequest{Data: y})
	for _, u := range []uploading{b, a} {
		if errs := u.ends(); len(errs) != 2 || errs[0] != nil || errs[1] != nil {
			t.Error(errs)
		}
	}
	for path, content := range map[string][]byte{"ax": x, "bx": x, "ay": y, "by": y} {
		holds(t, filepath.Join(root, path), content)
	}
}

// TestNamelessIsShared: what waits for its first name, and is in memory no
// more, is found for other files of its batch and of another one.
func TestNamelessIsShared(t *testing.T) {
	const between = 20 // of 1 MiB: more than waits to be read
	root := filepath.Join(t.TempDir(), "replica")
	c := raw(t, newPlace(t, root))
	shared := bytesOf(1, 20_000)
	size := int64(len(shared))

	files := []*wire.Action{{Kind: uint32(tree.None)}, copyAction("first", size)} // the one that waits has the rest wait
	for i := range between {
		files = append(files, copyAction(fmt.Sprint("between ", i), 1<<20))
	}
	again, end := len(files), len(files)+1 // no name is given before the content of the end has come
	first := upload(t, c, append(files, copyAction("again", size), copyAction("end", size))...)
	first.offers(1, shared)
	first.say(&wire.ApplyRequest{Data: shared})
	for i := range between {
		content := bytesOf(uint64(2+i), 1<<20)
		first.offers(2+i, content)
		first.say(&wire.ApplyRequest{Data: content})
	}
	if needed := first.offers(again, shared); needed[0] {
		t.Fatal("what waits for its name is to be sent again in its batch")
	}
	other := upload(t, c, copyAction("other", size))
	if needed := other.offers(0, shared); needed[0] {
		t.Fatal("what waits for its name is to be sent again in another batch")
	}
	succeeds(t, other)
	if _, err := os.Lstat(filepath.Join(root, "first")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was published: %v", err)
	}
	if needed := first.offers(end, shared); needed[0] {
		t.Fatal("what waits for its name is to be sent again at the end")
	}
	succeeds(t, first)
	for _, name := range []string{"first", "again", "other", "end"} {
		holds(t, filepath.Join(root, name), shared)
	}
}

func succeeds(t *testing.T, u uploading) {
	t.Helper()
	for _, err := range u.ends() {
		if err != nil {
			t.Error(err)
		}
	}
}
