package remote_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// unfit is a replica with a disk on which the first file of a batch does not
// fit, once it was written.
type unfit struct {
	tree.Replica
	written chan struct{} // closed when it was written
	fails   chan struct{} // then it fails
	gone    chan struct{} // closed when nothing of it is left
}

func (u *unfit) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	actions = slices.Clone(actions) // what receives reads them too
	open := actions[0].Open
	actions[0].Open = func() (tree.Content, error) {
		c, err := open()
		if err != nil {
			return nil, err
		}
		return &unfitContent{Content: c, Staged: c.(tree.Staged), u: u}, nil
	}
	return u.Replica.Apply(ctx, actions)
}

// unfitContent is the content of that file.
type unfitContent struct {
	tree.Content
	tree.Staged
	u *unfit
}

func (c *unfitContent) Changed() error {
	close(c.u.written)
	<-c.u.fails
	return syscall.ENOSPC
}

func (c *unfitContent) Unfinished(written io.ReaderAt) {
	c.Staged.Unfinished(written)
	close(c.u.gone)
}

// watchedReader has a say in what is read of files that have no name but that
// of a temp.
type watchedReader struct {
	server.Reader
	file func(tree.Content) tree.Content
}

func (r watchedReader) Folder(path tree.Path) (tree.SourceFolder, error) {
	f, err := r.Reader.Folder(path)
	return watchedFolder{f, r.file}, err
}

type watchedFolder struct {
	tree.SourceFolder
	file func(tree.Content) tree.Content
}

func (f watchedFolder) Open(name string) (tree.Content, error) {
	c, err := f.SourceFolder.Open(name)
	if err == nil && name != "first" && name != "second" {
		c = f.file(c)
	}
	return c, err
}

// watchedFile tells when it is read, and whether it is closed.
type watchedFile struct {
	tree.Content
	reads  func()
	closed *atomic.Int64
}

func (f watchedFile) ReadAt(p []byte, offset int64) (int, error) {
	f.reads()
	return f.Content.ReadAt(p, offset)
}

func (f watchedFile) Close() error {
	f.closed.Add(1)
	return f.Content.Close()
}

// sends sends chunks that are needed.
func (u uploading) sends(chunks ...[]byte) {
	u.t.Helper()
	for _, c := range chunks {
		u.say(&wire.ApplyRequest{Data: c})
	}
}

// TestGivenUpWhileShared: a file that was written does not fit, while the next
// one of its batch takes from it what both have. Nothing is closed while it is
// read, all of it is by the end, and the next file can be offered again.
func TestGivenUpWhileShared(t *testing.T) {
	shared, rest, other := bytesOf(1, 1<<20), bytesOf(2, 1<<20), bytesOf(3, 1<<20)
	const size = 2 << 20
	begun := func(t *testing.T, reads func(*unfit), closed *atomic.Int64) (uploading, *unfit) {
		p := newPlace(t, filepath.Join(t.TempDir(), "replica"))
		u := &unfit{p.folder.Replica, make(chan struct{}), make(chan struct{}), make(chan struct{})}
		p.folder.Replica = u
		p.folder.Reader = watchedReader{p.folder.Reader, func(c tree.Content) tree.Content {
			return watchedFile{c, func() { reads(u) }, closed}
		}}
		up := upload(t, raw(t, p), copyAction("first", size), copyAction("second", size))
		up.offers(0, shared, rest)
		up.sends(shared, rest)
		<-u.written
		return up, u
	}
	t.Run("looked at", func(t *testing.T) {
		var closed atomic.Int64
		var once sync.Once
		up, _ := begun(t, func(u *unfit) {
			once.Do(func() { close(u.fails) })
			<-u.gone
			if closed.Load() > 0 {
				t.Error("it was closed while it was read")
			}
		}, &closed)
		if needed := up.offers(1, shared, other); !needed[0] {
			t.Error("nothing is left of it, and it is not needed")
		}
		up.sends(shared, other)
		if errs := up.ends(); len(errs) != 2 || !errors.Is(errs[0], syscall.ENOSPC) || errs[1] != nil {
			t.Error(errs)
		}
		if n := closed.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
	t.Run("found", func(t *testing.T) {
		var closed atomic.Int64
		up, u := begun(t, func(*unfit) {}, &closed)
		if needed := up.offers(1, shared, other); needed[0] {
			t.Error("it stands there, and is needed")
		}
		close(u.fails)
		up.sends(other)
		if errs := up.ends(); len(errs) != 2 || !errors.Is(errs[0], syscall.ENOSPC) || !errors.Is(errs[1], tree.ErrConflict) {
			t.Error(errs)
		}
		if n := closed.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}
