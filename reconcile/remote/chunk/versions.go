package chunk

import (
	"slices"

	"lockstep/reconcile/tree"
)

// Versions are those of the files of one folder of which an [Index] has the
// chunks; zero for none.
type Versions []version

// version is the size and the time of a file.
type version [versionSize]byte

func versionOf(size int64, t tree.Time) (v version) {
	appendVersion(v[:0], size, t)
	return v
}

// Versions returns the versions of entries, which are those of a folder in the
// order of their names: to ask for each would cost as much as to hash it.
func (x *Index) Versions(folder tree.Path, entries []tree.Entry) Versions {
	if x == nil {
		return nil
	}
	known := make(Versions, len(entries))
	x.mu.Lock()
	defer x.mu.Unlock()
	x.view(func(r *reading) {
		before := x.noted.renames
		if !r.left {
			before = slices.Concat(x.leaving.renames, before)
		}
		r.readVersions(folder, entries, before, known)
	})
	for i, e := range entries {
		if x.noted.size()+x.leaving.size() == 0 {
			break
		}
		path := folder.Join(e.Name)
		if f, ok := x.noted.at[path]; ok {
			known[i] = x.noted.files[f].version
		} else if path, ok = x.noted.renames.before(path); ok {
			if f, ok := x.leaving.at[path]; ok {
				known[i] = x.leaving.files[f].version
			}
		}
	}
	return known
}

// Knows reports whether the chunks of that version of the file at place i are
// in the index; it does where there is none.
func (v Versions) Knows(i int, e tree.Entry) bool {
	return v == nil || v[i] == versionOf(e.Size, e.ModTime)
}
