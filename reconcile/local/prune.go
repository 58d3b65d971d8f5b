package local

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What is kept of caches, by the times of their files: those move when a file
// is written, and when it is read after usedEvery.
const (
	keptUnused = 90 * 24 * time.Hour
	usedEvery  = 24 * time.Hour
	// pruneEvery is how seldom a whole cache is looked through, which takes
	// about 3 us a folder of the tree.
	pruneEvery = 7 * 24 * time.Hour
	// keptTemp is how long a file may be in the making.
	keptTemp = 24 * time.Hour
)

// Names in a cache: the folder and the file of one folder of the tree, in
// hexadecimal, and what begins the name of a file in the making.
const (
	groupName = 2
	fileName  = 62
	tempName  = "new-"
)

// Unused reports whether a file of a cache, with that entry, was not used for
// so long that it may go.
func Unused(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && time.Since(info.ModTime()) > keptUnused
}

// PruneCache removes from the cache at path what was not used for long: it is
// of folders that are gone. Nothing goes but what a cache writes. The time of
// the folder at path says when that was done; making one of the 256 folders in
// it puts the next time off. What cannot be removed stays.
func PruneCache(path string) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || time.Since(info.ModTime()) < pruneEvery {
		return
	}
	groups, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, group := range groups {
		if group.IsDir() && isHex(group.Name(), groupName) {
			pruneGroup(filepath.Join(path, group.Name()))
		}
	}
	_ = os.Chtimes(path, time.Time{}, time.Now()) // else it is looked through again
	_ = os.Remove(path)                           // unless there is something in it
}

func pruneGroup(path string) {
	files, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			continue
		}
		name := filepath.Join(path, file.Name())
		if isHex(file.Name(), fileName) && Unused(info) && isCache(name) || isLeftTemp(info) {
			_ = os.Remove(name)
		}
	}
	_ = os.Remove(path) // unless there is something in it
}

// isLeftTemp reports whether who was writing a file must have died meanwhile.
func isLeftTemp(info fs.FileInfo) bool {
	number, is := strings.CutPrefix(info.Name(), tempName)
	return is && strings.Trim(number, "0123456789") == "" && info.Mode().IsRegular() && time.Since(info.ModTime()) > keptTemp
}

// isCache reports whether a file begins as those of a cache do, of whatever
// version.
func isCache(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(cacheBegin))
	_, err = io.ReadFull(f, head)
	return err == nil && bytes.Equal(head, []byte(cacheBegin))
}

func isHex(name string, length int) bool {
	return len(name) == length && strings.Trim(name, "0123456789abcdef") == ""
}

// used returns the content of a file of a cache, and notes that it was used.
func used(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	if now := time.Now(); now.Sub(info.ModTime()) > usedEvery {
		_ = os.Chtimes(name, time.Time{}, now) // it may go too soon, and is written again
	}
	return data, nil
}
