package remote_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// toll is a way to a server that counts what the client sends, and lets no
// more through than it was told.
type toll struct {
	address string
	sent    atomic.Int64
	limit   atomic.Int64
}

func newToll(t *testing.T, to string) *toll {
	t.Helper()
	w := &toll{}
	w.address = between(t, to, w.relay)
	return w
}

// relay passes on what comes; what the client sends beyond the limit is lost.
func (w *toll) relay(to, from net.Conn, fromClient bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if fromClient && w.sent.Load() >= w.limit.Load() {
			continue
		}
		if fromClient {
			w.sent.Add(int64(n))
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestServerKilledInMidFile (X1, X3, X21): a server that is killed in the
// middle of a large new file finds what it had written when it comes back.
func TestServerKilledInMidFile(t *testing.T) {
	t.Parallel()
	const size, arrives = 120 << 20, 100 << 20
	server, client := newSide(t), newSide(t)
	source, replica := t.TempDir(), filepath.Join(t.TempDir(), "replica")
	big, err := os.Create(filepath.Join(source, "big"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(big, rand.Reader, size); err != nil {
		t.Fatal(err)
	}
	big.Close()
	address := "127.0.0.1:" + freePort(t)
	serving, _ := served(t, server, replica, address, client)
	way := newToll(t, address)
	way.limit.Store(arrives)
	mirror := client.start("mirror", nil, source, "lockstep://"+server.id()+"@"+way.address)
	err = rig.Await(rig.Patience, func() error {
		temps, err := filepath.Glob(filepath.Join(replica, ".lockstep-*"))
		if err != nil || len(temps) != 1 {
			return fmt.Errorf("%v, %v", temps, err)
		}
		var stat unix.Stat_t
		err = unix.Stat(temps[0], &stat)
		if written := stat.Blocks * 512; err == nil && written < arrives*9/10 {
			err = fmt.Errorf("%d bytes are written", written)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, mirror.Output())
	}
	serving.Kill()
	if _, err := os.Lstat(filepath.Join(replica, "big")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a torn file has the name: %v", err)
	}
	before := way.sent.Swap(0)
	way.limit.Store(2 * size)
	served(t, server, replica, address, client)
	equal(t, source, replica)
	if again := way.sent.Load(); before+again > size+size/2 {
		t.Errorf("%d bytes were sent before, and %d after the server was killed, of a file of %d", before, again, size)
	} else {
		t.Logf("%d bytes before, %d after, of %d", before, again, size)
	}
}
