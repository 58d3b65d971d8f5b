package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/zeebo/blake3"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// sides is how many versions a digest of a [digestCache] is of.
type sides int

const (
	// oneSide: the digest is that of the content of a file of this machine.
	oneSide sides = 1
	// bothSides: it is the leaf of two versions of a file, one of the source and one
	// of the replica, that were found equal in content and in every attribute.
	bothSides sides = 2
)

// cacheBegin is how a file of a cache begins, and cacheMagic how it goes on.
// Another version is another text.
const cacheBegin = "lockstep "

var cacheMagic = [...]string{oneSide: cacheBegin + "contents 1\n", bothSides: cacheBegin + "leaves 2\n"}

// racy is how old the stamps of a version have to be when it is read, or
// writes that the clock of the file system does not tell apart could follow.
// No file system has a coarser one than the two seconds of FAT.
const racy = 2 * time.Second

// digestCache keeps digests for [tree.ByCache] in a folder of its own: a file
// for each folder that has some, which ends in a hash of itself. A missing,
// damaged or foreign file is as good as an empty one, so nothing is synced,
// nothing is locked, and a crash costs some reading. Safe for concurrent use.
type digestCache struct {
	path string
	sides
	of []byte // what else digests depend on

	// Guarded by mu: when to see again whether anything is to be removed.
	mu        sync.Mutex
	nextPrune time.Time
}

// openCache opens the cache of leaves of the replica, which depend on what it can
// hold; nil where that has nothing to go by.
func (r *Replica) openCache() *digestCache {
	while, ok := lasting(r.root, r.options.Durability)
	if !ok {
		return nil
	}
	return &digestCache{path: r.options.Cache, sides: bothSides, of: fmt.Append(nil, r.identity, r.traits, while)}
}

// lasting says for how long digests of the tree at root may be trusted, which is
// written with that durability: what the system has in memory alone keeps its
// stamps when it is lost, so that what was left to it is known for as long as the
// file system stays mounted. Not ok says that they may never be.
func lasting(root *at.Dir, d Durability) (while string, ok bool) {
	kind, _, err := root.FSType()
	if err != nil || !tellsChanges(kind) {
		return "", false
	}
	if d == NeverSync {
		while = root.Mounting()
		return while, while != ""
	}
	return "", true
}

// OpenCache returns the cache of the contents of the tree at root, which is
// written with that durability, kept in the folder at path, outside of that tree.
// It is written when there is something to keep; what cannot be kept is read
// again. It is nil where the system does not tell what a cache goes by. Errors: as
// of opening root.
func OpenCache(path, root string, d Durability) (tree.Cache, error) {
	dir, err := at.Open(root)
	if err != nil {
		return nil, fmt.Errorf("open the cache of %q: %w", root, err)
	}
	defer dir.Close()
	of, err := dir.Identity()
	if err != nil {
		return nil, fmt.Errorf("open the cache of %q: %w", root, err)
	}
	while, ok := lasting(dir, d)
	if !ok {
		return nil, nil
	}
	return contentCache{&digestCache{path: path, sides: oneSide, of: fmt.Append(nil, of, while)}}, nil
}

// contentCache is the cache of one tree's contents.
type contentCache struct{ *digestCache }

func (c contentCache) Folder(path tree.Path) tree.CachedFolder { return c.load(path) }

// cachedFolder is what is known of one folder. One goroutine. It implements
// [tree.CachedFolder].
type cachedFolder struct {
	cache *digestCache
	path  tree.Path
	// known is sorted by name; met of them are as they were. noted came to it.
	known, noted []cachedFile
	met          int
}

// cachedFile is a digest of a version of a file, or of two of them.
type cachedFile struct {
	name     string
	versions cachedVersions
	digest   tree.Digest
	met      bool // it was asked for, and is as it was
}

// cachedVersions are as many as the cache has sides.
type cachedVersions [bothSides]cachedVersion

// cachedVersion is what moves when a file or any attribute of it is changed:
// above all the time of the last change, which nobody can set.
type cachedVersion struct {
	dev, ino, size               uint64
	modSec, modNsec, cSec, cNsec uint64
}

func versionsOf(entries []tree.Entry) (v cachedVersions) {
	for i := range entries {
		e := &entries[i]
		v[i] = cachedVersion{
			e.ID.Dev, e.ID.Ino, uint64(e.Size),
			uint64(e.ModTime.Sec), uint64(e.ModTime.Nsec), uint64(e.ChangeTime.Sec), uint64(e.ChangeTime.Nsec),
		}
	}
	return v
}

// digest returns the digest of those versions of a file, if it is known. The
// name is that of the first one.
func (f *cachedFolder) digest(versions ...tree.Entry) (tree.Digest, bool) {
	i, known := sort.Find(len(f.known), func(i int) int { return cmp.Compare(versions[0].Name, f.known[i].name) })
	if !known || f.known[i].versions != versionsOf(versions) {
		return tree.Digest{}, false
	}
	file := &f.known[i]
	if !file.met {
		file.met = true
		f.met++
	}
	return file.digest, true
}

// note takes the digest of versions that were read from begun on. Where the
// system does not tell the time of the last change, there is nothing to go by.
func (f *cachedFolder) note(d tree.Digest, begun time.Time, versions ...tree.Entry) {
	settled := tree.TimeOf(begun.Add(-racy))
	for i := range versions {
		for _, t := range []tree.Time{versions[i].ModTime, versions[i].ChangeTime} {
			if t.Sec > settled.Sec || t.Sec == settled.Sec && t.Nsec >= settled.Nsec {
				return
			}
		}
		if versions[i].ChangeTime == (tree.Time{}) {
			return
		}
	}
	f.noted = append(f.noted, cachedFile{name: versions[0].Name, versions: versionsOf(versions), digest: d})
}

func (f *cachedFolder) Digest(e tree.Entry) (tree.Digest, bool) { return f.digest(e) }

func (f *cachedFolder) Note(e tree.Entry, d tree.Digest, begun time.Time) { f.note(d, begun, e) }

func (f *cachedFolder) Keep() { f.cache.store(f) }

// file returns where the cache keeps the folder at path.
func (c *digestCache) file(path tree.Path) string {
	h := blake3.Sum256(append(append(bytes.Clone(c.of), 0), path...))
	name := hex.EncodeToString(h[:])
	return filepath.Join(c.path, name[:groupName], name[groupName:])
}

// load returns what is known of the folder at path.
func (c *digestCache) load(path tree.Path) *cachedFolder {
	f := &cachedFolder{cache: c, path: path}
	data, err := used(c.file(path))
	if err != nil {
		return f
	}
	body, ok := bytes.CutPrefix(data, []byte(cacheMagic[c.sides]))
	if !ok || len(body) < len(tree.Digest{}) {
		return f
	}
	body, sum := body[:len(body)-len(tree.Digest{})], body[len(body)-len(tree.Digest{}):]
	if want := blake3.Sum256(body); bytes.Equal(want[:], sum) {
		f.known = c.decode(body)
	}
	return f
}

// versionSize is what a version takes in the cache.
const versionSize = 7 * 8

// fixedSize is what a file takes there beside its name.
func (s sides) fixedSize() int { return int(s)*versionSize + len(tree.Digest{}) }

// decode returns the files in body as far as they make sense, in order.
func (s sides) decode(body []byte) []cachedFile {
	files := make([]cachedFile, 0, len(body)/(s.fixedSize()+8))
	text := string(body) // all names share it
	for at := 0; at < len(body); {
		length, n := binary.Uvarint(body[at:])
		if n <= 0 || length > tree.MaxName || len(body)-at-n < int(length)+s.fixedSize() {
			break
		}
		at += n
		file := cachedFile{name: text[at : at+int(length)]}
		at += int(length)
		if len(files) > 0 && files[len(files)-1].name >= file.name {
			break
		}
		for i := range s {
			file.versions[i].decode(body[at:])
			at += versionSize
		}
		at += copy(file.digest[:], body[at:])
		files = append(files, file)
	}
	return files
}

func (v *cachedVersion) fields() [7]*uint64 {
	return [7]*uint64{&v.dev, &v.ino, &v.size, &v.modSec, &v.modNsec, &v.cSec, &v.cNsec}
}

func (v *cachedVersion) decode(from []byte) {
	for i, field := range v.fields() {
		*field = binary.LittleEndian.Uint64(from[i*8:])
	}
}

func (v *cachedVersion) append(to []byte) []byte {
	for _, field := range v.fields() {
		to = binary.LittleEndian.AppendUint64(to, *field)
	}
	return to
}

// encode is the inverse of decode.
func (s sides) encode(files []cachedFile) []byte {
	data := make([]byte, 0, len(files)*(s.fixedSize()+24))
	for i := range files {
		file := &files[i]
		data = binary.AppendUvarint(data, uint64(len(file.name)))
		data = append(data, file.name...)
		for side := range s {
			data = file.versions[side].append(data)
		}
		data = append(data, file.digest[:]...)
	}
	return data
}

// store writes what is known of f, without the files that were not met again,
// and ends it. What cannot be written is read again next time.
func (c *digestCache) store(f *cachedFolder) {
	if f.met == len(f.known) && len(f.noted) == 0 {
		return
	}
	files := slices.DeleteFunc(f.known, func(file cachedFile) bool { return !file.met })
	files = append(files, f.noted...)
	slices.SortFunc(files, func(a, b cachedFile) int { return cmp.Compare(a.name, b.name) })
	body := c.encode(files)
	sum := blake3.Sum256(body)
	target := c.file(f.path)
	temp, err := os.CreateTemp(filepath.Dir(target), tempName)
	if os.IsNotExist(err) && os.MkdirAll(filepath.Dir(target), 0o700) == nil {
		temp, err = os.CreateTemp(filepath.Dir(target), tempName)
	}
	if err != nil {
		return
	}
	_, err = temp.Write(slices.Concat([]byte(cacheMagic[c.sides]), body, sum[:]))
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), target)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	c.prune()
}

// prune removes what the cache has of folders that are gone, now and then.
func (c *digestCache) prune() {
	now := time.Now()
	c.mu.Lock()
	due := now.After(c.nextPrune)
	if due {
		c.nextPrune = now.Add(usedEvery)
	}
	c.mu.Unlock()
	if due {
		PruneCache(c.path)
	}
}
