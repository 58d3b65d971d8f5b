//go:build !linux

package watcher

import "io"

const (
	listBytes = 0   // a buffer comes with the file
	listChunk = 256 // entries of a folder that are in memory at a time
)

func (h *handle) list(_ []byte, each func(name []byte, folder bool)) error {
	for {
		entries, err := h.file.ReadDir(listChunk)
		for _, e := range entries {
			each([]byte(e.Name()), e.IsDir())
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (h *handle) countsFolders() bool { return false }
