package remote_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// TestFullCache (X23): a file that is larger than the room for caches is brought
// over all the same where the replica has room, and what it filled is free again.
func TestFullCache(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts")
	}
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica, cache := t.TempDir(), t.TempDir(), filepath.Join(server.home, ".cache")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", cache, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("nothing can be mounted here: ", err)
	}
	t.Cleanup(func() { unix.Unmount(cache, unix.MNT_DETACH) })
	content := make([]byte, 12<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	write(t, filepath.Join(source, "large"), string(content))
	write(t, filepath.Join(replica, "large"), "old")
	_, url := served(t, server, replica, "127.0.0.1:"+freePort(t), client)
	if code, said := client.once(nil, source, url); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	equal(t, source, replica)
	left, err := filepath.Glob(filepath.Join(cache, "lockstep", "*", "spool", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("there is %q, %v", left, err)
	}
}
