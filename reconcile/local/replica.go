package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// ErrLocked: another process writes the replica.
var ErrLocked = errors.New("another process keeps this replica")

// Durability says what of the replica survives a crash of the whole machine.
type Durability uint8

const (
	// Auto: no version is replaced by one that is not yet on disk, and no new
	// name appears without its content.
	Auto Durability = iota
	// NeverSync leaves it to the system when anything gets to disk.
	NeverSync
	// Always: what an action did is on disk when it is reported.
	Always
)

// ReplicaOptions are the choices for [OpenReplica].
type ReplicaOptions struct {
	Durability Durability
	// ReadOnly opens a replica that is only to be looked at: nothing is
	// created, locked or tried out, and a missing root reads as an empty
	// tree. Apply then answers [fs.ErrPermission].
	ReadOnly bool
	// Cache is the folder in which digests are kept for [tree.ByCache], outside
	// of both trees; "" for none.
	Cache string
}

// Replica is a folder on this machine, written as a replica. It implements
// [tree.Replica].
type Replica struct {
	// Set by OpenReplica. root is nil when a replica that is only read is
	// missing. owner: the process has no rights but those of a user, and may
	// have to lend itself access to its own folders. syncsAll: one sync of the
	// whole file system does for many files.
	path     string
	options  ReplicaOptions
	root     *at.Dir
	identity at.Identity
	id       tree.ID
	traits   tree.Traits
	uid, gid uint32
	owner    bool
	created  bool
	syncsAll bool
	cache    *digestCache

	// Safe for concurrent use.
	temps   temps
	unnamed unnamed
	lent    lending
	syncer  syncer
}

var _ tree.Replica = (*Replica)(nil)

// OpenReplica opens the folder at path as a replica, creating it with its
// parents when it is missing, and takes its lock. The caller closes it.
// Errors: [ErrLocked], [at.ErrNotFolder].
func OpenReplica(path string, o ReplicaOptions) (*Replica, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open replica: %w", err)
	}
	r := &Replica{
		path: path, options: o,
		uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()), owner: !at.Privileged(),
	}
	if err := r.open(); err != nil {
		r.Close()
		return nil, fmt.Errorf("open replica %q: %w", path, err)
	}
	return r, nil
}

// open makes what is missing (mkdir), opens the root (openat), locks it
// (flock), remembers who it is (statx, statfs) and tries out what it holds.
func (r *Replica) open() (err error) {
	r.root, err = at.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		if r.options.ReadOnly {
			r.root, r.traits = nil, r.assumed()
			return nil
		}
		if err := os.MkdirAll(r.path, 0o777); err != nil {
			return err
		}
		r.created = true
		r.root, err = at.Open(r.path)
	}
	if err != nil {
		r.root = nil
		return err
	}
	if !r.options.ReadOnly {
		if err := r.root.Lock(); errors.Is(err, at.ErrLocked) {
			return ErrLocked
		} else if err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
	if r.identity, err = r.root.Identity(); err != nil {
		return err
	}
	self, err := r.root.Self()
	if err != nil {
		return err
	}
	r.id = self.ID
	r.syncsAll = r.root.SyncsFS()
	r.traits = r.assumed()
	if r.options.ReadOnly {
		err = r.inferTraits()
	} else {
		err = r.tryTraits()
	}
	if err != nil {
		return fmt.Errorf("try out: %w", err)
	}
	if r.options.Cache != "" {
		r.cache = r.openCache()
	}
	return nil
}

// Created reports whether the root was missing and has been made.
func (r *Replica) Created() bool { return r.created }

// Traits say what the replica can hold.
func (r *Replica) Traits() tree.Traits { return r.traits }

// ID identifies the root folder; the zero ID when it is missing.
func (r *Replica) ID() tree.ID { return r.id }

// Check opens the root's path anew and compares who stands there. Errors:
// [tree.ErrReplicaReplaced], [tree.ErrUnreachable].
func (r *Replica) Check() error {
	if r.root == nil {
		return nil
	}
	now, err := at.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, at.ErrNotFolder) {
		return fmt.Errorf("%w: %q: %w", tree.ErrReplicaReplaced, r.path, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %q: %w", tree.ErrUnreachable, r.path, err)
	}
	defer now.Close()
	identity, err := now.Identity()
	if err != nil {
		return fmt.Errorf("%w: %q: %w", tree.ErrUnreachable, r.path, err)
	}
	if identity != r.identity {
		return tree.ErrReplicaReplaced
	}
	return nil
}

// Look returns what stands at each path, with extended attributes.
func (r *Replica) Look(ctx context.Context, paths []tree.Path) []tree.Found {
	found := make([]tree.Found, len(paths))
	folders := r.openFolders(toLook)
	defer folders.close()
	var names *listedNames
	if r.traits.Names.Folds {
		names = &listedNames{r: r, folders: map[tree.Path]map[string][]string{}}
	}
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			found[i].Err = err
			continue
		}
		e, err := r.look(folders, path)
		if err == nil && names != nil && e.Kind != tree.Absent && path != tree.Root {
			e.Name, err = names.of(path)
		}
		switch {
		case err != nil && path == tree.Root:
			err = fmt.Errorf("look at %q: %w", r.path, err)
		case err != nil:
			err = fmt.Errorf("look: %w", err)
		}
		found[i] = tree.Found{Entry: e, Err: err}
	}
	return found
}

func (r *Replica) look(folders *folders, path tree.Path) (tree.Entry, error) {
	absent := tree.Entry{Name: path.Name()}
	if r.root == nil {
		return absent, nil
	}
	if err := path.Check(); err != nil {
		return tree.Entry{}, err
	}
	f, err := folders.get(path.Parent())
	if errors.Is(err, tree.ErrNoParent) {
		return absent, nil
	}
	if err != nil {
		return tree.Entry{}, err
	}
	e, err := r.entryAt(f.dir, path.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	return e, err
}

// entryAt returns the complete entry at name in dir, or of dir itself for the
// empty name. A mode that was widened for the moment is told as it will be.
func (r *Replica) entryAt(dir *at.Dir, name string) (e tree.Entry, err error) {
	if name == "" {
		e, err = dir.Self()
	} else {
		e, err = dir.Look(name)
	}
	if err != nil {
		return tree.Entry{}, err
	}
	e.Mode = r.lent.modeOf(e)
	e.Xattrs, err = dir.Xattrs(name)
	return e, err
}

// Flush returns when everything applied so far is on disk (syncfs), at once
// where that is left to the system.
func (r *Replica) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.root == nil || r.options.Durability == NeverSync {
		return nil
	}
	root, err := r.openFolder(tree.Root, toList)
	if err == nil {
		err = root.dir.SyncFS()
		root.close()
	}
	if err != nil {
		return fmt.Errorf("flush %q: %w", r.path, err)
	}
	return nil
}

// Close releases the lock and every handle.
func (r *Replica) Close() error {
	if r.root == nil {
		return nil
	}
	err := r.root.Close()
	r.root = nil
	return err
}
