package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// leftCaches has a home hold what mirrors and servers of folders that are gone left there so long ago: leaves of a mirror, and what
// arrived at a server, the contents of its folder and where chunks are.
func leftCaches(t *testing.T, home string, ago time.Duration) (files []string) {
	t.Helper()
	digests := "ab/" + strings.Repeat("0", 62)
	for name, content := range map[string]string{
		"gone-12345678.cache/" + digests:             "lockstep leaves 2\n",
		"serve-0123456789abcdef/contents/" + digests: "lockstep contents 1\n",
		"serve-0123456789abcdef/index":               "chunks",
		"serve-0123456789abcdef/spool/1.data":        "content",
		"serve-0123456789abcdef/spool/1.list":        "chunks",
	} {
		name = filepath.Join(home, ".cache", "lockstep", name)
		write(t, name, content)
		files = append(files, name)
		for _, aged := range []string{name, filepath.Dir(name), filepath.Dir(filepath.Dir(name))} {
			if err := os.Chtimes(aged, time.Time{}, time.Now().Add(-ago)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

// TestPrune: both sides remove what was left in their caches for folders that are gone, when they begin and when it is old.
func TestPrune(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		ago  time.Duration
		goes bool
	}{"old": {100 * day, true}, "less old": {80 * day, false}} {
		t.Run(name, func(t *testing.T) {
			client, server := newSide(t), newSide(t)
			files := append(leftCaches(t, client.home, c.ago), leftCaches(t, server.home, c.ago)...)
			source, replica := sample(t), filepath.Join(t.TempDir(), "replica")
			_, url := served(t, server, replica, "127.0.0.1:"+freePort(t), client)
			if code, said := client.once(nil, "--compare", "cached", source, url); code != 0 {
				t.Fatalf("exit %d: %s", code, said)
			}
			for _, file := range files {
				if _, err := os.Lstat(file); os.IsNotExist(err) != c.goes {
					t.Errorf("%s: %v", file, err)
				}
			}
			if indexes, err := filepath.Glob(filepath.Join(server.home, ".cache", "lockstep", "serve-*", "index")); err != nil || len(indexes) == 0 {
				t.Errorf("the server's own index is gone: %v", err)
			}
		})
	}
}
