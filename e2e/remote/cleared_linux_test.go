package remote_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClearedCache: caches are cleared away at any time, also below a server that
// is confined and may not make them again.
func TestClearedCache(t *testing.T) {
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica, cache := sample(t), filepath.Join(t.TempDir(), "replica"), t.TempDir()
	address := "127.0.0.1:" + freePort(t)
	p := server.start("serve", []string{"XDG_CACHE_HOME=" + cache}, "serve", "--listen", address, "--allow", client.id(), replica)
	if err := p.AwaitLog(regexp.MustCompile(`"class":"serving"`)); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	for _, text := range []string{"one", "another", "third"} {
		// Equal beginnings are not sent again: what arrives is put together.
		write(t, filepath.Join(source, "large"), strings.Repeat("a line that is the same\n", 100_000)+text)
		write(t, filepath.Join(source, "folder", "deep", "b"), strings.Repeat("b", 200_000)+text)
		if code, said := client.once(nil, source, "lockstep://"+server.id()+"@"+address); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		equal(t, source, replica)
		if err := os.RemoveAll(filepath.Join(cache, "lockstep")); err != nil {
			t.Fatal(err)
		}
	}
}
