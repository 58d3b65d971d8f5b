package remote_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lockstep/e2e/rig"
)

// cachedRun is a client that makes one pass after the other by the caches, and its server.
type cachedRun struct {
	t               *testing.T
	client, server  *side
	source, replica string
	address, url    string
	serving         *rig.Process
}

// serve starts the server, or starts it anew.
func (c *cachedRun) serve() {
	c.t.Helper()
	if c.serving != nil {
		if err := c.serving.Signal(syscall.SIGTERM); err != nil {
			c.t.Fatal(err)
		}
		if code, err := c.serving.Exit(rig.StopWithin); code != 0 || err != nil {
			c.t.Fatalf("server: exit %d, %v", code, err)
		}
	}
	c.serving, c.url = served(c.t, c.server, c.replica, c.address, c.client)
}

// pass makes a pass, which must leave both sides equal, and returns how much it read.
func (c *cachedRun) pass(flags ...string) int64 {
	c.t.Helper()
	if code, said := c.client.once(nil, append(flags, c.source, c.url)...); code != 0 {
		c.t.Fatalf("exit %d: %s", code, said)
	}
	equal(c.t, c.source, c.replica)
	log, err := os.ReadFile(filepath.Join(c.client.home, "once.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	read := int64(-1)
	for line := range bytes.Lines(log) {
		var record struct {
			Event string
			Read  int64 `json:"bytes_read"`
		}
		if json.Unmarshal(line, &record) == nil && record.Event == "pass_done" {
			read = record.Read
		}
	}
	return read
}

// settle makes passes until one reads so much: at first all stamps are young.
func (c *cachedRun) settle(what string, bytes int64) {
	c.t.Helper()
	err := rig.Await(rig.Patience, func() error {
		if read := c.pass("--compare", "cached"); read != bytes {
			return fmt.Errorf("%s: %d bytes are read, want %d", what, read, bytes)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// overwrite gives the file that content, and its old time of modification.
func overwrite(path, content string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, []byte(content), 0), os.Chtimes(path, info.ModTime(), info.ModTime()))
}

// TestCached: with --compare cached each side reads again what changed there, and nothing else; and whatever becomes of a file
// or of a cache, the trees end up equal.
func TestCached(t *testing.T) {
	t.Parallel()
	c := &cachedRun{
		t: t, client: newSide(t), server: newSide(t), source: t.TempDir(), replica: filepath.Join(t.TempDir(), "replica"),
		address: "127.0.0.1:" + freePort(t),
	}
	const files, size = 20, 1000
	content := func(of rune) string { return strings.Repeat(string(of), size) }
	for i := range files {
		write(t, filepath.Join(c.source, "folder", fmt.Sprint(i)), content('a'+rune(i)))
	}
	source, replica := filepath.Join(c.source, "folder", "7"), filepath.Join(c.replica, "folder", "7")
	c.serve()
	c.pass() // brings everything over, and compares nothing
	c.settle("nothing changes", 0)

	// Each comes right after a pass, so that its stamps are as close to those of the version before as they can be.
	for what, change := range map[string]func() error{
		"edited, size and time restored": func() error { return overwrite(source, content('1')) },
		"tampered with":                  func() error { return overwrite(replica, content('2')) },
		"renamed over": func() error {
			other := filepath.Join(c.source, "other")
			write(t, other, content('3'))
			info, err := os.Stat(source)
			if err != nil {
				return err
			}
			return errors.Join(os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, source))
		},
	} {
		for range 2 {
			if err := change(); err != nil {
				t.Fatal(what, err)
			}
			if read := c.pass("--compare", "cached"); read < size || read > 2*size {
				t.Errorf("%s: %d bytes were read of files of %d", what, read, size)
			}
		}
	}
	c.settle("nothing changes any more", 0)
	if read := c.pass(); read != 2*files*size {
		t.Errorf("by content: %d bytes were read", read)
	}
	if output, err := c.client.command("verify", c.source, c.url).CombinedOutput(); err != nil ||
		!strings.Contains(string(output), fmt.Sprint(2*files*size, " bytes read")) {
		t.Errorf("%v: %s", err, output)
	}

	damageCaches(t, c.client)
	c.settle("the client's cache is damaged, and written anew", 0)
	c.serve()
	if read := c.pass("--compare", "cached"); read != 0 {
		t.Errorf("after a restart of the server: %d bytes were read", read)
	}
	cache := filepath.Join(c.server.home, ".cache")
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	c.serve()
	if read := c.pass("--compare", "cached"); read != files*size {
		t.Errorf("the server's cache is empty: %d bytes were read", read)
	}
	c.settle("and written anew", 0)
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	write(t, cache, "no folder")
	c.serve()
	c.settle("the server's cache cannot be written", files*size)
}

// damageCaches flips a bit in each cache of that side.
func damageCaches(t *testing.T, s *side) {
	t.Helper()
	damaged := 0
	err := filepath.WalkDir(filepath.Join(s.home, ".cache", "lockstep"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		damaged++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil || damaged == 0 {
		t.Fatalf("%d files, %v", damaged, err)
	}
}
