package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// Refusal is why a source, a replica and a log file cannot be used together.
type Refusal struct {
	// What is wrong, and what to do about it; one line each.
	What, Hint string
}

// Error returns What.
func (r *Refusal) Error() string { return r.What }

func refuse(hint, what string, args ...any) error {
	return &Refusal{What: fmt.Sprintf(what, args...), Hint: hint}
}

// isTrouble reports whether err speaks of the state of the system and not of
// the path.
func isTrouble(err error) bool {
	for _, state := range []error{syscall.EIO, syscall.ESTALE} {
		if errors.Is(err, state) {
			return true
		}
	}
	return at.Exhausted(err)
}

// CheckPair returns a [*Refusal] when the mirror of source in replica, with
// its log in logFile ("" for none), would do harm: when source cannot be read,
// when replica is something else than a folder or one not to be overwritten,
// and when one of the three lies in another, whatever symlinks and bind mounts
// hide it. replica and logFile need not exist. Nothing is created.
func CheckPair(source, replica, logFile string) error {
	mounts := readMounts()
	s, err := checkSource(source, mounts)
	if err != nil {
		return err
	}
	r, err := checkReplica(replica, mounts)
	if err != nil {
		return err
	}
	if err := checkOverlap(s, r, mounts); err != nil {
		return err
	}
	if logFile == "" {
		return nil
	}
	return checkLogFile(logFile, s, r, mounts)
}

// CheckApart returns a [*Refusal] when one of two folders that [CheckPair] let
// pass lies in the other by now, whatever has brought it there. It returns nil
// where that cannot be found out, for one of them is out of reach.
func CheckApart(source, replica string) error {
	mounts := readMounts()
	s, err := placeOf(source, mounts)
	if err != nil || !s.exists() {
		return nil
	}
	r, err := placeOf(replica, mounts)
	if err != nil || !r.exists() {
		return nil
	}
	return checkOverlap(s, r, mounts)
}

// CheckReplica returns a [*Refusal] when what is at path must not be written as
// a replica, whatever the source is. Nothing need be there, and nothing is created.
func CheckReplica(path string) error {
	_, err := checkReplica(path, readMounts())
	return err
}

func checkSource(path string, mounts mountTable) (*place, error) {
	p, err := placeOf(path, mounts)
	switch {
	case errors.Is(err, at.ErrNotFolder):
		return nil, refuse("give a folder", "source %q is not a folder", path)
	case err != nil && isTrouble(err):
		return nil, fmt.Errorf("source %q cannot be opened: %w", path, cause(err))
	case err != nil:
		return nil, refuse("check the path and its permissions", "source %q cannot be opened: %v", path, cause(err))
	case !p.exists():
		return nil, refuse("check the path; lockstep creates the replica, never the source", "source %q does not exist", path)
	}
	d, err := at.Open(p.path)
	if err == nil {
		defer d.Close()
		_, err = d.Names(nil)
	}
	if isTrouble(err) {
		return nil, fmt.Errorf("source %q cannot be read: %w", path, cause(err))
	}
	if err != nil {
		return nil, refuse("run lockstep as a user who may read it", "source %q cannot be read: %v", path, cause(err))
	}
	if p.pseudo {
		return nil, refuse("give a folder on a disk", "source %q holds no files but a view into the running system", path)
	}
	return p, nil
}

func checkReplica(path string, mounts mountTable) (*place, error) {
	if err := checkLinkOwners(path); err != nil {
		return nil, err
	}
	p, err := placeOf(path, mounts)
	switch {
	case errors.Is(err, at.ErrNotFolder):
		return nil, refuse("give a folder, or a path where none exists yet", "replica %q is not a folder", path)
	case errors.Is(err, errDangling):
		return nil, refuse("remove the symlink or create what it points to", "replica %q leads through a symlink that leads nowhere", path)
	case err != nil && isTrouble(err):
		return nil, fmt.Errorf("replica %q cannot be opened: %w", path, cause(err))
	case err != nil:
		return nil, refuse("check the path and its permissions", "replica %q cannot be opened: %v", path, cause(err))
	case p.pseudo:
		return nil, refuse("give a folder on a disk", "replica %q holds no files but a view into the running system", path)
	}
	for _, other := range []struct{ path, name string }{{rootFolder(p.path), "the root folder"}, {home(), "your home folder"}} {
		if other.path == "" || !p.exists() {
			continue
		}
		const hint = "give a folder of its own: what the source does not have is removed from it"
		switch o, err := placeOf(other.path, mounts); {
		case err != nil:
		case o.id() == p.id():
			return nil, refuse(hint, "replica %q is %s", path, other.name)
		case p.holds(o):
			return nil, refuse(hint, "replica %q holds %s", path, other.name)
		}
	}
	return p, nil
}

func rootFolder(path string) string { return filepath.VolumeName(path) + string(filepath.Separator) }

func home() string {
	path, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return path
}

// checkLinkOwners refuses to be led to the replica by a symlink that somebody
// else may point elsewhere at any time.
func checkLinkOwners(path string) error {
	full, err := absolute(path)
	if err != nil {
		return refuse("give an absolute path", "replica %q cannot be resolved: %v", path, err)
	}
	for p := trimSeparators(full); p != filepath.Dir(p); {
		folder, name := filepath.Split(p)
		parent, err := at.Open(folder)
		if p = trimSeparators(folder); err != nil {
			continue // placeOf tells what is wrong
		}
		e, err := parent.Look(name) // refuses "." and "..", which are no symlinks
		parent.Close()
		if err == nil && e.Kind == tree.Symlink && e.UID != 0 && int(e.UID) != os.Geteuid() {
			return refuse("give the path that it points to", "replica %q leads through the symlink %q of another user", path, filepath.Join(folder, name))
		}
	}
	return nil
}

func checkOverlap(s, r *place, mounts mountTable) error {
	const hint = "give two folders of which none holds the other"
	switch {
	case r.exists() && s.id() == r.id():
		return refuse("give two different folders", "source %q and replica %q are the same folder", s.given, r.given)
	case s.holds(r):
		return refuse(hint, "replica %q is inside the source %q", r.given, s.given)
	case r.holds(s):
		return refuse(hint, "source %q is inside the replica %q", s.given, r.given)
	}
	for _, m := range mounts.below(s.path) {
		inner := place{inFS: m.root, device: m.device}
		if inner.holdsInFS(r) || r.holdsInFS(&inner) {
			return refuse("unmount it first", "replica %q is mounted inside the source, at %q", r.given, m.point)
		}
	}
	return nil
}

func checkLogFile(path string, s, r *place, mounts mountTable) error {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	l, err := placeOf(folder, mounts)
	if err != nil {
		return nil // it cannot be opened either, and then nothing is written
	}
	at := filepath.Join(l.path, name)
	switch {
	case at == s.path || at == r.path:
		return refuse("give another path with --log-file", "log file %q is a folder of the mirror", path)
	case l.same(s) || s.holds(l):
		return refuse("give a path outside of both folders with --log-file", "log file %q is inside the source %q", path, s.given)
	case l.same(r) || r.holds(l):
		return refuse("give a path outside of both folders with --log-file", "log file %q is inside the replica %q", path, r.given)
	}
	return nil
}

// cause strips what a message has said already.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	var callError *os.SyscallError
	if errors.As(err, &callError) {
		err = callError.Err
	}
	return err
}
