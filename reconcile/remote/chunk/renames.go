package chunk

import "lockstep/reconcile/tree"

// renames are what was given another path, one after the other.
type renames []rename

type rename struct{ from, to tree.Path }

// now returns where what was at path before the renames is after them.
func (all renames) now(path tree.Path) tree.Path {
	for _, r := range all {
		if isIn(path, r.from) {
			path = r.to + path[len(r.from):]
		}
	}
	return path
}

// before returns where what is at path after the renames was before them; false
// where nothing is left of it.
func (all renames) before(path tree.Path) (was tree.Path, ok bool) {
	for i := len(all) - 1; i >= 0; i-- {
		switch r := all[i]; {
		case isIn(path, r.to):
			path = r.from + path[len(r.to):]
		case isIn(path, r.from):
			return "", false
		}
	}
	return path, true
}

// isIn reports whether path is that of a folder or file, or below it.
func isIn(path, folder tree.Path) bool {
	return path == folder || folder.Holds(path)
}
