package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

var errDangling = errors.New("symlink leads nowhere")

// Resolve returns the absolute path with every symlink in it resolved. What
// does not exist yet is kept as it is.
func Resolve(path string) (string, error) {
	path, missing, err := resolve(path)
	return filepath.Join(path, missing), err
}

// resolve splits the path where it ceases to exist. It takes ".." as the
// system does, which is not to strike out the name before: that may be a
// symlink.
func resolve(path string) (existing, missing string, err error) {
	existing, err = absolute(path)
	if err != nil {
		return "", "", err
	}
	existing = trimSeparators(existing) // after a symlink they would follow it
	for {
		real, err := filepath.EvalSymlinks(existing)
		if err == nil {
			return real, missing, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || existing == filepath.Dir(existing) {
			return "", "", err
		}
		if _, err := os.Lstat(existing); err == nil {
			return "", "", fmt.Errorf("%q: %w", existing, errDangling)
		}
		parent, name := filepath.Split(existing)
		if name == ".." {
			return "", "", err
		}
		existing, missing = trimSeparators(parent), filepath.Join(name, missing)
	}
}

// absolute is filepath.Abs without its cleaning.
func absolute(path string) (string, error) {
	switch {
	case path == "":
		return "", fs.ErrNotExist
	case filepath.IsAbs(path):
		return path, nil
	case filepath.VolumeName(path) != "" || os.IsPathSeparator(path[0]):
		return filepath.Abs(path)
	}
	folder, err := os.Getwd()
	return folder + string(filepath.Separator) + path, err
}

// trimSeparators leaves a root its separator.
func trimSeparators(path string) string {
	root := len(filepath.VolumeName(path)) + 1
	for len(path) > root && os.IsPathSeparator(path[len(path)-1]) {
		path = path[:len(path)-1]
	}
	return path
}

// place is where a folder is, or would be, in every way that can be told.
type place struct {
	// given is the path as the user wrote it, path as it really is.
	given, path string
	// missing is the part of path that does not exist.
	missing string
	// chain has the folder, or the nearest above it that exists, and all
	// folders above that one.
	chain []tree.ID
	// device and inFS are the path within a file system; device is "" where
	// that is not known.
	device, inFS string
	// pseudo: a file system without files.
	pseudo bool
}

func placeOf(given string, mounts mountTable) (*place, error) {
	existing, missing, err := resolve(given)
	if err != nil {
		return nil, err
	}
	p := &place{given: given, path: filepath.Join(existing, missing), missing: missing}
	for folder := existing; ; folder = filepath.Dir(folder) {
		if err := p.climb(folder, mounts); err != nil {
			return nil, err
		}
		if folder == filepath.Dir(folder) {
			return p, nil
		}
	}
}

// climb adds one folder to the chain; the first tells where the place is.
func (p *place) climb(path string, mounts mountTable) error {
	d, err := at.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	self, err := d.Self()
	if err != nil {
		return err
	}
	p.chain = append(p.chain, self.ID)
	if len(p.chain) > 1 {
		return nil
	}
	kind, _, err := d.FSType()
	if err != nil {
		return err
	}
	m, known := mounts.find(d.Mount())
	if known {
		if below, err := filepath.Rel(m.point, p.path); err == nil && filepath.IsLocal(below) {
			p.device, p.inFS = m.device, filepath.Join(m.root, below)
		}
	}
	p.pseudo = pseudo(kind, m.kind)
	return nil
}

func (p *place) exists() bool { return p.missing == "" }

// id is that of the folder, if it exists.
func (p *place) id() tree.ID { return p.chain[0] }

// same reports whether p and q are one folder, be it one to come.
func (p *place) same(q *place) bool {
	return p.id() == q.id() && p.missing == q.missing
}

// holds reports whether q is, or would be, somewhere below p.
func (p *place) holds(q *place) bool {
	above := q.chain[1:]
	if !q.exists() {
		above = q.chain
	}
	if p.exists() && slices.Contains(above, p.id()) {
		return true
	}
	return isBelow(p.path, q.path) || p.holdsInFS(q) && p.inFS != q.inFS
}

// holdsInFS reports whether q is p or below it on the same file system.
func (p *place) holdsInFS(q *place) bool {
	return p.device != "" && p.device == q.device && (p.inFS == q.inFS || isBelow(p.inFS, q.inFS))
}

func isBelow(folder, path string) bool {
	folder = strings.TrimSuffix(folder, string(filepath.Separator))
	return len(path) > len(folder)+1 && path[len(folder)] == filepath.Separator && path[:len(folder)] == folder
}
