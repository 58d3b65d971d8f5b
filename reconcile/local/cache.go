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
const cacheMagic = "lockstep leaves 2\n"

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
	of   []byte // which replica, and what it can hold: leaves depend on both
}

func openDigestCache(path string, of at.Identity, traits tree.Traits) *digestCache {
	return &digestCache{path: path, of: fmt.Append(nil, of, traits)}
}

func (c *digestCache) close() error { return nil }

// cachedFolder is what is known of one folder. One goroutine at a time, which
// asks and notes in the order of the names.
type cachedFolder struct {
	path tree.Path
	// known is sorted by name; next holds what is known now.
	known, next []cachedFile
	changed     bool
}

// cachedFile says that two versions of a file, one on each side, were found
// equal in content and in every attribute, and what their leaf is.
type cachedFile struct {
	name            string
	source, replica cachedVersion
	leaf            tree.Digest
}

// cachedVersion is what moves when a file or any attribute of it is changed:
// above all the time of the last change, which nobody can set.
type cachedVersion struct {
	dev, ino, size               uint64
	modSec, modNsec, cSec, cNsec uint64
}

func versionOf(e tree.Entry) cachedVersion {
	return cachedVersion{
		e.ID.Dev, e.ID.Ino, uint64(e.Size),
		uint64(e.ModTime.Sec), uint64(e.ModTime.Nsec), uint64(e.ChangeTime.Sec), uint64(e.ChangeTime.Nsec),
	}
}

// leaf returns the leaf of two versions of a file, if they are known.
func (f *cachedFolder) leaf(source, replica tree.Entry) (tree.Digest, bool) {
	for len(f.known) > 0 && f.known[0].name < source.Name {
		f.known, f.changed = f.known[1:], true
	}
	if len(f.known) == 0 || f.known[0].name != source.Name {
		return tree.Digest{}, false
	}
	file := f.known[0]
	f.known = f.known[1:]
	if file.source != versionOf(source) || file.replica != versionOf(replica) {
		f.changed = true
		return tree.Digest{}, false
	}
	f.next = append(f.next, file)
	return file.leaf, true
}

// note keeps the leaf of two equal versions that were read from begun on.
func (f *cachedFolder) note(source, replica tree.Entry, leaf tree.Digest, begun time.Time) {
	settled := tree.TimeOf(begun.Add(-racy))
	for _, t := range []tree.Time{source.ModTime, source.ChangeTime, replica.ModTime, replica.ChangeTime} {
		if t.Sec > settled.Sec || t.Sec == settled.Sec && t.Nsec >= settled.Nsec {
			return
		}
	}
	f.next = append(f.next, cachedFile{source.Name, versionOf(source), versionOf(replica), leaf})
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
	f := &cachedFolder{path: path}
	data, err := os.ReadFile(c.file(path))
	if err != nil {
		return f
	}
	body, ok := bytes.CutPrefix(data, []byte(cacheMagic))
	if !ok || len(body) < len(tree.Digest{}) {
		return f
	}
	body, sum := body[:len(body)-len(tree.Digest{})], body[len(body)-len(tree.Digest{}):]
	if want := blake3.Sum256(body); bytes.Equal(want[:], sum) {
		f.known = decodeFiles(body)
	}
	return f
}

// fixedSize is what a file takes in the cache beside its name.
const fixedSize = 2*7*8 + len(tree.Digest{})

// decodeFiles returns the files in body as far as they make sense, in order.
func decodeFiles(body []byte) []cachedFile {
	files := make([]cachedFile, 0, len(body)/(fixedSize+8))
	text := string(body) // all names share it
	for at := 0; at < len(body); {
		length, n := binary.Uvarint(body[at:])
		if n <= 0 || length > tree.MaxName || len(body)-at-n < int(length)+fixedSize {
			break
		}
		at += n
		file := cachedFile{name: text[at : at+int(length)]}
		at += int(length)
		if len(files) > 0 && files[len(files)-1].name >= file.name {
			break
		}
		file.source.decode(body[at:])
		file.replica.decode(body[at+7*8:])
		copy(file.leaf[:], body[at+2*7*8:])
		at += fixedSize
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

// store writes what is known of f, without the files that were not met again.
// What cannot be written is read again next time.
func (c *digestCache) store(f *cachedFolder) {
	if !f.changed && len(f.known) == 0 {
		return
	}
	data := make([]byte, 0, len(cacheMagic)+len(f.next)*(fixedSize+24))
	data = append(data, cacheMagic...)
	for i := range f.next {
		file := &f.next[i]
		data = binary.AppendUvarint(data, uint64(len(file.name)))
		data = append(data, file.name...)
		data = file.source.append(data)
		data = file.replica.append(data)
		data = append(data, file.leaf[:]...)
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
