package chunk

import (
	"io/fs"
	"os"
	"path/filepath"
)

// PruneIndex removes the index in a file, unless it is in use as far as unused
// tells. What cannot be removed stays.
func PruneIndex(path string, unused func(fs.FileInfo) bool) {
	if info, err := os.Lstat(path); err == nil && unused(info) {
		_ = os.Remove(path)
	}
}

// PruneSpool removes what a spool left in a folder and is in use no more, as
// far as unused tells; the folder stays, for a spool may be open in it. Nothing
// goes but what a spool writes. What cannot be removed stays.
func PruneSpool(folder string, unused func(fs.FileInfo) bool) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, file := range files {
		if !isSpooled(file.Name(), listSuffix) && !isSpooled(file.Name(), dataSuffix) {
			continue
		}
		if info, err := file.Info(); err == nil && unused(info) {
			_ = os.Remove(filepath.Join(folder, file.Name()))
		}
	}
}
