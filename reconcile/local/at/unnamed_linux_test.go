package at

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// Scenarios: O2.
func TestUnnamed(t *testing.T) {
	onEach(t, func(t *testing.T, d *Dir, path string) {
		f, err := d.CreateUnnamed(0o400)
		if errors.Is(err, ErrUnsupported) {
			t.Skip("this file system names every file")
		}
		must(t, err)
		defer f.Close()
		if e, err := f.Entry(); err != nil || e.Mode != 0o400 {
			t.Errorf("made with 400: %o, %v", e.Mode, err)
		}
		_, err = f.WriteAt([]byte("content"), 0)
		must(t, err)
		if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
			t.Errorf("without a name: %v, %v", entries, err)
		}
		again, err := f.Again()
		must(t, err)
		read := make([]byte, 7)
		if _, err := again.ReadAt(read, 0); err != nil || string(read) != "content" {
			t.Errorf("opened again: %q, %v", read, err)
		}
		must(t, again.Close())
		must(t, os.WriteFile(path+"/taken", nil, 0o600))
		wantErr(t, "Link", f.Link(d, "taken"), fs.ErrExist)
		must(t, f.Link(d, "name"))
		if content, err := os.ReadFile(path + "/name"); err != nil || string(content) != "content" {
			t.Errorf("%q, %v", content, err)
		}
	})
}
