package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// heldDepth is how many folders of one way down stay open at once; what is
// deeper is opened again when its turn comes.
const heldDepth = 8

// emptyings is how often a folder is emptied when somebody keeps filling it.
const emptyings = 3

// walker goes through everything below a folder of the replica, never through
// a mount point or a symlink. Memory grows with the depth and the longest
// list, not with the number of entries.
type walker struct {
	r   *Replica
	ctx context.Context

	// leaf is called for each entry that is no folder, left for each folder
	// after what is below it. An error ends the walk.
	leaf, left func(dir *at.Dir, name string) error
	// trouble hears of folders that could not be entered, which are left
	// out; an error from it ends the walk.
	trouble func(err error) error
	// widen lets an ordinary user into folders without rights, for good.
	widen bool

	top  *at.Dir
	path []byte // of the folder at work, below top
}

// walk goes through the folder name of parent.
func (w *walker) walk(parent *at.Dir, name string) error {
	w.top = parent
	w.path = append(w.path[:0], name...)
	return w.folder(parent, tree.Path(name), 0)
}

// folder goes through the folder at sub below base, which is the folder at
// w.path.
func (w *walker) folder(base *at.Dir, sub tree.Path, depth int) error {
	dir, err := w.enter(base, sub)
	if err != nil {
		return w.trouble(err)
	}
	defer func() {
		if dir != nil {
			dir.Close()
		}
	}()
	names, err := dir.Names(nil)
	if err != nil {
		return w.trouble(err)
	}
	for _, n := range names {
		if err := w.stopped(); err != nil {
			return err
		}
		folder, err := isFolder(dir, n)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			err = w.trouble(err)
		case !folder:
			err = w.leaf(dir, n.Name)
		default:
			if dir, err = w.below(dir, n.Name, depth+1); dir == nil {
				return w.trouble(err)
			}
			if err == nil {
				err = w.left(dir, n.Name)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// below goes through the folder name of dir, and returns a handle of dir that
// may be another one: deep down none is held meanwhile.
func (w *walker) below(dir *at.Dir, name string, depth int) (*at.Dir, error) {
	length := len(w.path)
	if length > 0 {
		w.path = append(w.path, '/')
	}
	w.path = append(w.path, name...)
	defer func() { w.path = w.path[:length] }()
	if depth < heldDepth {
		return dir, w.folder(dir, tree.Path(name), depth)
	}
	dir.Close()
	if err := w.folder(w.top, tree.Path(w.path), depth); err != nil {
		again, _ := w.top.Sub(tree.Path(w.path[:length]), at.OneMount)
		return again, err
	}
	return w.top.Sub(tree.Path(w.path[:length]), at.OneMount)
}

func (w *walker) enter(base *at.Dir, sub tree.Path) (*at.Dir, error) {
	dir, err := base.Sub(sub, at.OneMount)
	if err != nil || !w.widen || !w.r.mayLend() {
		return dir, err
	}
	self, err := dir.Self()
	if err == nil && self.Mode&toWrite == toWrite {
		return dir, nil
	}
	defer dir.Close()
	if err == nil {
		err = dir.SetMode("", self.Mode|toWrite)
	}
	if err != nil {
		return nil, err
	}
	return dir.Sub(tree.Root, at.OneMount)
}

func (w *walker) stopped() error { return w.ctx.Err() }

func isFolder(dir *at.Dir, n at.Name) (bool, error) {
	if n.Kind != tree.Absent {
		return n.Kind == tree.Folder, nil
	}
	e, err := dir.Look(n.Name)
	return e.Kind == tree.Folder, err
}

// removeTree removes name of parent with all below it: what cannot be removed
// stays with the folders above it, and the rest goes. It returns how many
// entries it removed and the first thing that went wrong.
func (r *Replica) removeTree(ctx context.Context, parent *at.Dir, name string) (removed int, first error) {
	took := func(err error) {
		switch {
		case err == nil:
			removed++
		case first != nil || errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, syscall.EBUSY):
			first = fmt.Errorf("%w: %w", tree.ErrMount, err)
		default:
			first = err
		}
	}
	w := &walker{r: r, ctx: ctx, widen: true}
	w.leaf = func(dir *at.Dir, name string) error {
		took(dir.Unlink(name))
		return nil
	}
	w.left = func(dir *at.Dir, name string) error {
		if err := dir.Rmdir(name); first == nil || !errors.Is(err, syscall.ENOTEMPTY) {
			took(err)
		}
		return nil
	}
	w.trouble = func(err error) error {
		took(fmt.Errorf("remove %q: %w", w.path, err))
		return nil
	}
	e, err := parent.Look(name)
	if err != nil {
		took(err)
		return removed, first
	}
	if e.Kind != tree.Folder {
		took(parent.Unlink(name))
		return removed, first
	}
	if e.Mounted {
		return 0, tree.ErrMount
	}
	for range emptyings {
		first = nil
		if err := w.walk(parent, name); err != nil {
			return removed, err
		}
		if first != nil && !errors.Is(first, syscall.ENOTEMPTY) {
			return removed, first
		}
		first = nil
		took(parent.Rmdir(name))
		if !errors.Is(first, syscall.ENOTEMPTY) {
			break
		}
	}
	return removed, first
}

var errEnough = errors.New("counted enough")

// Count returns how many entries stand at and below path, but for live temps
// and what lies below mount points, and stops at limit. A folder that may not
// be read counts as one.
func (r *Replica) Count(ctx context.Context, path tree.Path, limit int) (int, error) {
	if r.root == nil {
		return 0, nil
	}
	e, err := r.lookOnce(path)
	if err != nil || e.Kind == tree.Absent {
		return 0, countError(err)
	}
	count := 1
	if e.Kind != tree.Folder || e.Mounted && path != tree.Root || count >= limit {
		return count, nil
	}
	folder, err := r.openFolder(path, toList)
	if err != nil {
		return 0, countError(err)
	}
	defer folder.close()
	one := func(_ *at.Dir, name string) error {
		if r.temps.alive(name) {
			return nil
		}
		if count++; count >= limit {
			return errEnough
		}
		return nil
	}
	w := &walker{r: r, ctx: ctx, leaf: one, left: one, trouble: func(error) error { return nil }}
	if err := w.walk(folder.dir, ""); err != nil && err != errEnough {
		return 0, countError(err)
	}
	return count, nil
}

func countError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("count: %w", err)
}

func (r *Replica) lookOnce(path tree.Path) (tree.Entry, error) {
	folders := r.openFolders(toLook)
	defer folders.close()
	return r.look(folders, path)
}

// noMountIn returns [tree.ErrMount] when something is mounted at or below the
// folder name of parent.
func (r *Replica) noMountIn(ctx context.Context, parent *at.Dir, name string) error {
	w := &walker{r: r, ctx: ctx, widen: true}
	w.leaf = func(*at.Dir, string) error { return nil }
	w.left = w.leaf
	w.trouble = func(err error) error { return err }
	return w.walk(parent, name)
}
