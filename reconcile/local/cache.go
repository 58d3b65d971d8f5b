package local

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zeebo/blake3"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// The first bytes of a file of the cache. Another version is another text.
const cacheMagic = "lockstep digests 1\n"

// racy is how old the stamps of a version have to be when it is read, or
// writes that the clock of the file system does not tell apart could follow.
// No file system has a coarser one than the two seconds of FAT.
const racy = 2 * time.Second

// digestCache keeps digests for [tree.ByCache] in a folder of its own: a file
// for each folder of the replica that has equal files, which ends in a hash of
// itself. A missing, damaged or foreign file is as good as an empty one, so
// nothing is synced, nothing is locked, and a crash costs some reading. Safe
// for concurrent use.
type digestCache struct {
	path string
	of   []byte // which replica
}

func openDigestCache(path string, of at.Identity) *digestCache {
	return &digestCache{path: path, of: fmt.Append(nil, of)}
}

func (c *digestCache) close() error { return nil }

// cachedFolder is what is known of one folder. One goroutine at a time.
type cachedFolder struct {
	path    tree.Path
	entries map[string]cachedFile
	changed bool
	seen    map[string]struct{}
}

// cachedFile says that two versions of a file, one on each side, have the
// content with the digest.
type cachedFile struct {
	Source, Replica cachedVersion
	Digest          tree.Digest
}

// cachedVersion is what moves when a file is written. Its size in the cache is
// fixed.
type cachedVersion struct {
	Dev, Ino                   uint64
	Size                       int64
	ModSec, ModNsec, CSec, CNs int64
}

func versionOf(e tree.Entry) cachedVersion {
	return cachedVersion{
		e.ID.Dev, e.ID.Ino, e.Size,
		e.ModTime.Sec, int64(e.ModTime.Nsec), e.ChangeTime.Sec, int64(e.ChangeTime.Nsec),
	}
}

func (f *cachedFolder) digest(source, replica tree.Entry) (tree.Digest, bool) {
	if f == nil {
		return tree.Digest{}, false
	}
	known, ok := f.entries[source.Name]
	if !ok || known.Source != versionOf(source) || known.Replica != versionOf(replica) {
		return tree.Digest{}, false
	}
	f.seen[source.Name] = struct{}{}
	return known.Digest, true
}

// note keeps the digest of two equal versions that were read from begun on.
func (f *cachedFolder) note(source, replica tree.Entry, digest tree.Digest, begun time.Time) {
	settled := tree.TimeOf(begun.Add(-racy))
	for _, t := range []tree.Time{source.ModTime, source.ChangeTime, replica.ModTime, replica.ChangeTime} {
		if t.Sec > settled.Sec || t.Sec == settled.Sec && t.Nsec >= settled.Nsec {
			return
		}
	}
	f.entries[source.Name] = cachedFile{versionOf(source), versionOf(replica), digest}
	f.seen[source.Name] = struct{}{}
	f.changed = true
}

// file returns where the cache keeps the folder at path.
func (c *digestCache) file(path tree.Path) string {
	h := blake3.Sum256(append(append(bytes.Clone(c.of), 0), path...))
	name := hex.EncodeToString(h[:])
	return filepath.Join(c.path, name[:2], name[2:])
}

// load returns what is known of the folder at path.
func (c *digestCache) load(path tree.Path) *cachedFolder {
	f := &cachedFolder{path: path, entries: map[string]cachedFile{}, seen: map[string]struct{}{}}
	data, err := os.ReadFile(c.file(path))
	if err != nil {
		return f
	}
	body, ok := bytes.CutPrefix(data, []byte(cacheMagic))
	if !ok || len(body) < len(tree.Digest{}) {
		return f
	}
	body, sum := body[:len(body)-len(tree.Digest{})], body[len(body)-len(tree.Digest{}):]
	if want := blake3.Sum256(body); !bytes.Equal(want[:], sum) {
		return f
	}
	for len(body) > 0 {
		length, n := binary.Uvarint(body)
		if n <= 0 || length > uint64(len(body)-n) {
			break
		}
		name := string(body[n : n+int(length)])
		body = body[n+int(length):]
		var file cachedFile
		if n, err = binary.Decode(body, binary.LittleEndian, &file); err != nil {
			break
		}
		f.entries[name] = file
		body = body[n:]
	}
	return f
}

// store writes what is known of f, without the files that were not met again.
// What cannot be written is read again next time.
func (c *digestCache) store(f *cachedFolder) {
	if !f.changed && len(f.seen) == len(f.entries) {
		return
	}
	data := []byte(cacheMagic)
	for name := range f.seen {
		data = binary.AppendUvarint(data, uint64(len(name)))
		data = append(data, name...)
		data, _ = binary.Append(data, binary.LittleEndian, f.entries[name])
	}
	sum := blake3.Sum256(data[len(cacheMagic):])
	data = append(data, sum[:]...)
	target := c.file(f.path)
	temp, err := os.CreateTemp(filepath.Dir(target), "new-")
	if os.IsNotExist(err) && os.MkdirAll(filepath.Dir(target), 0o700) == nil {
		temp, err = os.CreateTemp(filepath.Dir(target), "new-")
	}
	if err != nil {
		return
	}
	_, err = temp.Write(data)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), target)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
}
