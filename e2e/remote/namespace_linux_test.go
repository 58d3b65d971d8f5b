package remote_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnplugged (X1, X2): the server is on another host of a network; its
// cable is pulled, and it comes back.
func TestUnplugged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes networks")
	}
	t.Parallel()
	name := fmt.Sprintf("lockstep%d", os.Getpid())
	here, there := fmt.Sprintf("lsa%d", os.Getpid()%100000), fmt.Sprintf("lsb%d", os.Getpid()%100000)
	ip := func(words ...string) error {
		output, err := exec.Command("ip", words...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("ip %s: %w: %s", strings.Join(words, " "), err, output)
		}
		return err
	}
	if err := ip("netns", "add", name); err != nil {
		t.Skip("no network namespaces here: ", err)
	}
	t.Cleanup(func() { ip("netns", "del", name) })
	for _, words := range []string{
		"link add " + here + " type veth peer name " + there + " netns " + name,
		"addr add 10.213.7.1/30 dev " + here,
		"link set " + here + " up",
		"-n " + name + " addr add 10.213.7.2/30 dev " + there,
		"-n " + name + " link set " + there + " up",
		"-n " + name + " link set lo up",
	} {
		if err := ip(strings.Fields(words)...); err != nil {
			t.Skip("no pair of network devices here: ", err)
		}
	}
	t.Cleanup(func() { ip("link", "del", here) })
	server, client := newSide(t), newSide(t)
	server.prefix = []string{"ip", "netns", "exec", name}
	source, replica := sample(t), filepath.Join(t.TempDir(), "replica")
	serving, url := served(t, server, replica, "10.213.7.2:7447", client)
	p := client.start("mirror", nil, source, url)
	if err := p.Ready(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, p.Output(), serving.Output())
	}
	equal(t, source, replica)
	// Pulled and put back before anybody noticed.
	if err := ip("-n", name, "link", "set", there, "down"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "while", "unplugged"), strings.Repeat("x", 300_000))
	if err := os.Remove(filepath.Join(source, "file")); err != nil {
		t.Fatal(err)
	}
	if err := ip("-n", name, "link", "set", there, "up"); err != nil {
		t.Fatal(err)
	}
	equal(t, source, replica)
	// The host is gone, and comes back as another process.
	serving.Kill()
	awaitClass(t, p, "replica_lost")
	write(t, filepath.Join(source, "while", "gone"), "y")
	served(t, server, replica, "10.213.7.2:7447", client)
	awaitClass(t, p, "replica_found")
	equal(t, source, replica)
}
