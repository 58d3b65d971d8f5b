package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	fileMode   = 0o600 // names and errors of somebody's work: for the owner alone
	folderMode = 0o700

	// checkEvery is how often a write looks whether the file still has its name. A rotated file gets the records of at
	// most this time; more often would cost each record a system call.
	checkEvery = time.Second
)

// file is a log file that outlives rotation and full disks.
type file struct {
	// set by openFile
	path     string
	now      func() time.Time
	recovery func(lost uint64) []byte // the record that tells how many were lost
	tell     func(lost uint64, err error)

	mu      sync.Mutex
	f       *os.File // nil: not open for the moment
	id      fs.FileInfo
	checked time.Time
	lost    uint64
	torn    bool // the last write left a part of a line
	closed  bool
}

// openLogFile creates the parent folders and opens the file at path for appending.
// System calls: mkdir for missing parents, lstat, open (no link followed, never waiting for a FIFO's reader), fstat.
func openLogFile(path string) (*os.File, fs.FileInfo, error) {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, nil, fmt.Errorf("log file %q: %w", path, cause(err))
	}
	// Looked at first only for a better message: the open below is what decides.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("log file %q: %w, it is %s", path, errNotRegular, kindOf(info.Mode()))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|openFlags, fileMode)
	if err != nil {
		return nil, nil, fmt.Errorf("log file %q: %w", path, cause(err))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w, it is %s", errNotRegular, kindOf(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("log file %q: %w", path, cause(err))
	}
	return f, info, nil
}

var errNotRegular = errors.New("not a regular file")

// cause drops the call and the path from an error of package os when the path has been told already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Write appends one or more records, each a whole line, with one write(2). It never returns an error: a record that cannot be
// written is counted, and the next one that can is preceded by the number of those lost.
func (w *file) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(lines), nil
	}
	if now := w.now(); now.Sub(w.checked) >= checkEvery || now.Before(w.checked) {
		w.checked = now
		w.follow()
	}
	if w.f == nil {
		w.lost += linesIn(lines)
		return len(lines), nil
	}
	if w.lost > 0 {
		if _, err := w.append(w.recovery(w.lost)); err != nil {
			w.lost += linesIn(lines)
			return len(lines), nil
		}
		w.tell(w.lost, nil)
		w.lost = 0
	}
	if written, err := w.append(lines); err != nil {
		w.lose(linesIn(lines[written:]), err)
	}
	return len(lines), nil
}

// linesIn counts the records that end in lines.
func linesIn(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte{'\n'})) }

// follow opens the file anew when its name is gone or belongs to another file.
// RACE: a record written after the look and before the next one goes into the file that was renamed, or is lost with one
// that was deleted; at most checkEvery's worth.
func (w *file) follow() {
	if w.f != nil {
		info, err := os.Lstat(w.path)
		if err == nil && os.SameFile(info, w.id) {
			return
		}
	}
	if err := w.reopen(); err != nil {
		w.tellTrouble(err)
	}
}

func (w *file) reopen() error {
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
	f, id, err := openLogFile(w.path)
	if err != nil {
		return err
	}
	w.f, w.id, w.torn = f, id, false
	return nil
}

// append returns how much of lines was written, the last record of which may be torn.
func (w *file) append(lines []byte) (int, error) {
	if w.torn {
		// The rest of a torn line gets a line of its own, so that this record stays readable.
		if _, err := w.f.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		w.torn = false
	}
	n, err := w.f.Write(lines)
	w.torn = err != nil && n > 0 && lines[n-1] != '\n'
	return n, err
}

// lose counts records that could not be written because of err.
func (w *file) lose(n uint64, err error) {
	w.tellTrouble(fmt.Errorf("log file %q: %w", w.path, cause(err)))
	w.lost += n
}

// tellTrouble tells once in a row of failures: lost is 0 only before the first.
func (w *file) tellTrouble(err error) {
	if w.lost == 0 {
		w.tell(0, err)
	}
}

// Reopen opens the file anew at once.
func (w *file) Reopen() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("log file %q: %w", w.path, fs.ErrClosed)
	}
	return w.reopen()
}

// Close ends the file; later records are dropped.
func (w *file) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.f == nil {
		w.closed = true
		return nil
	}
	w.closed = true
	return w.f.Close()
}

var _ io.WriteCloser = (*file)(nil)
