package remote_test

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// TestTLS mirrors, follows events, and proves equality, over TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica := sample(t), filepath.Join(t.TempDir(), "replica")
	serving, url := served(t, server, replica, "127.0.0.1:"+freePort(t), client)
	p := client.start("mirror", nil, source, url)
	if err := p.Ready(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, p.Output(), serving.Output())
	}
	if log := filepath.Join(server.home, "serve.log"); !strings.Contains(serving.Output(), log) {
		t.Errorf("the log file %s is not told: %s", log, serving.Output())
	}
	equal(t, source, replica)
	write(t, filepath.Join(source, "new", "file"), "new")
	if err := os.Rename(filepath.Join(source, "folder"), filepath.Join(source, "renamed")); err != nil {
		t.Fatal(err)
	}
	equal(t, source, replica)
	// A second client is told who is there (X20).
	if code, said := client.once(nil, source, url); code != 1 || !strings.Contains(said, "another client has this folder") {
		t.Errorf("exit %d: %s", code, said)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Exit(rig.StopWithin); code != 0 || err != nil {
		t.Errorf("exit %d, %v\n%s", code, err, p.Output())
	}
	// verify finds what was tampered with, and changes nothing.
	write(t, filepath.Join(replica, "file"), "Content")
	output, err := client.command("verify", source, url).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "differs     file      file") {
		t.Errorf("%v: %s", err, output)
	}
	if code, said := client.once(nil, source, url); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	equal(t, source, replica)
	if count(t, serving, "not_confined") > 0 {
		t.Log("the server is not confined on this machine (X29)")
	}
	if err := serving.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := serving.Exit(rig.StopWithin); code != 0 || err != nil {
		t.Errorf("server: exit %d, %v\n%s", code, err, serving.Output())
	}
}

// TestTrust (X12, X13, X14): without the right keys there is no way in, and
// everybody is told what would help.
func TestTrust(t *testing.T) {
	t.Parallel()
	server, client, stranger := newSide(t), newSide(t), newSide(t)
	source, replica := t.TempDir(), filepath.Join(t.TempDir(), "replica")
	write(t, filepath.Join(source, "f"), "x")
	port := freePort(t)
	serving, url := served(t, server, replica, "127.0.0.1:"+port, client)
	code, said := stranger.once(nil, source, url)
	if code != 1 || !strings.Contains(said, "--allow "+stranger.id()) {
		t.Errorf("a stranger: exit %d: %s", code, said)
	}
	awaitClass(t, serving, "client_refused")
	if log, _ := serving.Log(); !strings.Contains(string(log), "--allow "+stranger.id()) {
		t.Errorf("the server's log: %s", log)
	}
	code, said = client.once(nil, source, "lockstep://"+stranger.id()+"@127.0.0.1:"+port)
	if code != 1 || !strings.Contains(said, stranger.id()) || !strings.Contains(said, server.id()) {
		t.Errorf("the wrong server: exit %d: %s", code, said)
	}
	if names, err := os.ReadDir(replica); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
	// Without keys nobody is served.
	output, err := server.command("serve", replica).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "--allow ID") {
		t.Errorf("%v: %s", err, output)
	}
	key := filepath.Join(server.home, ".config", "lockstep", "key.pem")
	secret, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := serving.Log()
	body := strings.Split(string(secret), "\n")[1]
	if strings.Contains(string(log)+said+serving.Output(), body) {
		t.Error("the key was told")
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if output, err = server.command("id").CombinedOutput(); err == nil || !strings.Contains(string(output), "can be read by others") {
		t.Errorf("%v: %s", err, output)
	}
}

// TestStrangersAtThePort (X9, X11): garbage, silence and other programs neither
// keep a client out nor end the server.
func TestStrangersAtThePort(t *testing.T) {
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica := t.TempDir(), filepath.Join(t.TempDir(), "replica")
	write(t, filepath.Join(source, "f"), "x")
	address := "127.0.0.1:" + freePort(t)
	serving, url := served(t, server, replica, address, client)
	var silent []net.Conn
	for range 12 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	began := time.Now()
	for _, words := range []string{"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\xff\xff" + strings.Repeat("x", 100_000)} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, words)
		io.Copy(io.Discard, conn)
		conn.Close()
	}
	// A TLS client with no key, and one that asks for an older version.
	for _, config := range []*tls.Config{
		{InsecureSkipVerify: true, NextProtos: []string{"lockstep"}},
		{InsecureSkipVerify: true, NextProtos: []string{"lockstep"}, MaxVersion: tls.VersionTLS12},
	} {
		conn, err := tls.Dial("tcp", address, config)
		if err == nil {
			if _, err = conn.Read(make([]byte, 1)); err == nil {
				t.Error("something was said to a client without a key")
			}
			conn.Close()
		}
	}
	if code, said := client.once(nil, source, url); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	equal(t, source, replica)
	for _, conn := range silent {
		conn.SetReadDeadline(began.Add(12 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || time.Since(began) > 12*time.Second {
			t.Errorf("a silent connection: %d bytes, %v after %v", n, err, time.Since(began))
		}
	}
	if count(t, serving, "client_refused") < len(silent) {
		t.Error("the refusals were not told")
	}
}

// TestServerDies (X1, X3): the server may be missing at the start, killed in
// the middle, and come back: what changed meanwhile is brought over.
func TestServerDies(t *testing.T) {
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica := sample(t), filepath.Join(t.TempDir(), "replica")
	address := "127.0.0.1:" + freePort(t)
	url := "lockstep://" + server.id() + "@" + address
	p := client.start("mirror", nil, source, url)
	awaitClass(t, p, "replica_lost")
	serving, _ := served(t, server, replica, address, client)
	if err := p.Ready(); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	big := strings.Repeat("0123456789abcdef", 4<<20/16)
	for round := range 2 {
		for i := range 20 {
			write(t, filepath.Join(source, "big", string(rune('a'+i))), big[i:]+string(rune('a'+round)))
		}
		serving.Kill()
		write(t, filepath.Join(source, "meanwhile"), string(rune('0'+round)))
		if err := os.RemoveAll(filepath.Join(source, "folder")); err != nil {
			t.Fatal(err)
		}
		serving, _ = served(t, server, replica, address, client)
		equal(t, source, replica)
	}
	if n := count(t, p, "replica_lost"); n > 4 {
		t.Errorf("the loss was told %d times", n)
	}
	// The client is killed in the middle, and another one takes over.
	for i := range 20 {
		write(t, filepath.Join(source, "big", string(rune('a'+i))), "short")
		write(t, filepath.Join(source, "more", string(rune('a'+i))), big[i:])
	}
	p.Kill()
	if code, said := client.once(nil, source, url); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	equal(t, source, replica)
}

// TestFullDisk (X23): a server that is full says so, and goes on when it is not.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts")
	}
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica := t.TempDir(), t.TempDir()
	if err := unix.Mount("tmpfs", replica, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("nothing can be mounted here: ", err)
	}
	t.Cleanup(func() { unix.Unmount(replica, unix.MNT_DETACH) })
	write(t, filepath.Join(source, "small"), "fits")
	write(t, filepath.Join(source, "large"), strings.Repeat("0123456789", 400_000))
	_, url := served(t, server, replica, "127.0.0.1:"+freePort(t), client)
	code, said := client.once(nil, source, url)
	if code != 3 || !strings.Contains(said, "no space left on device") {
		t.Errorf("exit %d: %s", code, said)
	}
	if content, err := os.ReadFile(filepath.Join(replica, "small")); err != nil || string(content) != "fits" {
		t.Errorf("%q, %v", content, err)
	}
	if err := os.Remove(filepath.Join(source, "large")); err != nil {
		t.Fatal(err)
	}
	if code, said = client.once(nil, source, url); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	equal(t, source, replica)
}
