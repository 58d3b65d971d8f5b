package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newTestKey(t *testing.T) *Key {
	t.Helper()
	k, err := Load(filepath.Join(t.TempDir(), "sub", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyFile (X14): a key is made once, for its owner's eyes alone.
func TestKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "key.pem")
	first, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(file)
	if err != nil || again.ID() != first.ID() {
		t.Fatalf("%v, %v", again, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if names, _ := os.ReadDir(filepath.Dir(file)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if err := os.WriteFile(file, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Chmod(file, 0o600)
	if _, err := Load(file); err == nil || strings.Contains(err.Error(), "garbage") {
		t.Errorf("%v", err)
	}
}

func TestIDs(t *testing.T) {
	id := newTestKey(t).ID()
	for _, text := range []string{id.String(), strings.ToUpper(id.String()), id.String()[:8] + "-" + id.String()[8:]} {
		if back, err := ParseID(text); err != nil || back != id {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "abc", id.String() + "a", strings.Repeat("1", 52), strings.Repeat("ä", 26)} {
		if _, err := ParseID(text); err == nil {
			t.Errorf("%q is an ID", text)
		}
	}
}

// handshake lets a client that wants an ID meet a server.
func handshake(t *testing.T, server *Key, client func(net.Conn) error) (ID, error, error) {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	type result struct {
		id  ID
		err error
	}
	served := make(chan result, 1)
	go func() {
		c, id, err := server.Server(context.Background(), there)
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		there.Close()
		served <- result{id, err}
	}()
	err := client(here)
	here.Close()
	r := <-served
	return r.id, r.err, err
}

// TestPinning (X13): each side knows the other's key, or there is no
// connection; the error shows both IDs.
func TestPinning(t *testing.T) {
	server, client, other := newTestKey(t), newTestKey(t), newTestKey(t)
	id, serverErr, err := handshake(t, server, func(c net.Conn) error {
		secured, err := client.Client(context.Background(), c, server.ID())
		if err != nil {
			return err
		}
		_, err = secured.Read(make([]byte, 1))
		return err
	})
	if err != nil || serverErr != nil || id != client.ID() {
		t.Errorf("%v, %v, %v", id, serverErr, err)
	}
	_, serverErr, err = handshake(t, server, func(c net.Conn) error {
		_, err := client.Client(context.Background(), c, other.ID())
		return err
	})
	var wrong *WrongIDError
	if serverErr == nil || !errors.As(err, &wrong) || wrong.Have != server.ID() || !strings.Contains(err.Error(), other.ID().String()) {
		t.Errorf("%v, %v", serverErr, err)
	}
}

// TestDowngrade (X13): nothing older than TLS 1.3, nothing without a key,
// nothing for another protocol.
func TestDowngrade(t *testing.T) {
	server, client := newTestKey(t), newTestKey(t)
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.2":     func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"no key":      func(c *tls.Config) { c.Certificates = nil },
		"no protocol": func(c *tls.Config) { c.NextProtos = nil },
		"h2":          func(c *tls.Config) { c.NextProtos = []string{"h2"} },
	} {
		_, serverErr, _ := handshake(t, server, func(c net.Conn) error {
			config := client.config(func(ID) error { return nil })
			change(config)
			config.VerifyConnection = nil
			secured := tls.Client(c, config)
			if err := secured.Handshake(); err != nil {
				return err
			}
			_, err := secured.Read(make([]byte, 1))
			return err
		})
		if serverErr == nil {
			t.Errorf("%s was let in", name)
		}
	}
}
