package server

import (
	"errors"
	"io"
	"io/fs"
	"sync"

	"lockstep/reconcile/tree"
)

// handles keeps a few files of the replica open for reading. The goroutine
// that receives opens them; the one that carries out reads some of them too,
// and closes what it removes.
type handles struct {
	reader Reader
	most   int

	mu   sync.Mutex
	open map[tree.Path]*handle
}

// handle is an open file. Safe for concurrent use.
type handle struct {
	file tree.ReadAtCloser

	// Guarded by mu: how many read it now, and whether it was given up. Then
	// nobody reads it any more, and who is the last to read it closes it.
	mu      sync.Mutex
	readers int
	givenUp bool
}

// ReadAt reads as [io.ReaderAt] says. After a file was given up, the client
// offers again what was to be read from it.
func (f *handle) ReadAt(p []byte, offset int64) (int, error) {
	f.mu.Lock()
	if f.givenUp {
		f.mu.Unlock()
		return 0, errNotShared
	}
	f.readers++
	f.mu.Unlock()
	defer f.read()
	return f.file.ReadAt(p, offset)
}

// read ends a ReadAt.
func (f *handle) read() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers--; f.readers == 0 && f.givenUp {
		f.file.Close()
	}
}

// giveUp closes the file as soon as nobody is reading it. It is called once.
func (f *handle) giveUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.givenUp = true; f.readers == 0 {
		f.file.Close()
	}
}

// reopening opens a file that has no name. Errors: [fs.ErrNotExist] when it
// has one by now, or is gone.
type reopening func() (tree.ReadAtCloser, error)

var errManyHandles = errors.New("too many files are open")

// get opens the file at path, by again if that is not nil and can, or returns
// the one that is open.
func (h *handles) get(path tree.Path, again reopening) (io.ReaderAt, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.open[path]; f != nil {
		return f, nil
	}
	if len(h.open) >= h.most {
		return nil, errManyHandles
	}
	var file tree.ReadAtCloser
	err := fs.ErrNotExist
	if again != nil {
		file, err = again()
	}
	if errors.Is(err, fs.ErrNotExist) {
		file, err = h.byPath(path)
	}
	if err != nil {
		return nil, err
	}
	if h.open == nil {
		h.open = map[tree.Path]*handle{}
	}
	f := &handle{file: file}
	h.open[path] = f
	return f, nil
}

func (h *handles) byPath(path tree.Path) (tree.ReadAtCloser, error) {
	folder, err := h.reader.Folder(path.Parent())
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return folder.Open(path.Name())
}

// close gives up the file at path, if it is open: what is removed takes room
// until then.
func (h *handles) close(path tree.Path) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.open[path]; f != nil {
		f.giveUp()
		delete(h.open, path)
	}
}

// drop gives up all that is open.
func (h *handles) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for path, f := range h.open {
		f.giveUp()
		delete(h.open, path)
	}
}
