package watcher

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Both ways to open a folder below another follow no symlink.
func TestOpenBelow(t *testing.T) {
	root := t.TempDir()
	grow(t, root, "a/b/c/", "file")
	must(t, os.Symlink("a", filepath.Join(root, "link")))
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o644))
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	for name, open := range map[string]func(int, string, int) (int, error){"openat2": openBelow, "by name": openEach} {
		for path, want := range map[string]bool{
			"": true, "a": true, "a/b/c": true,
			"link": false, "link/b": false, "file": false, "fifo": false, "a/none": false,
		} {
			got, err := open(fd, path, unix.O_RDONLY)
			if (err == nil) != want {
				t.Errorf("%s %q: %v", name, path, err)
			}
			if err == nil {
				unix.Close(got)
			} else if !gone(err) {
				t.Errorf("%s %q: %v is not taken for gone", name, path, err)
			}
		}
	}
}

func TestUnescape(t *testing.T) {
	for escaped, want := range map[string]string{`/a`: "/a", `/a\040b`: "/a b", `\134\011`: "\\\t", `\9`: `\9`, `a\04`: `a\04`} {
		if got := unescape(escaped); got != want {
			t.Errorf("%q: %q, want %q", escaped, got, want)
		}
	}
}
