package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFoldersThatServersRefuse (T12, T14): no client makes a server a replica of
// the root folder or of its user's home, which would lose what the source does not
// have; and no log lies in a replica.
//
// Scenarios: T12, T14.
func TestFoldersThatServersRefuse(t *testing.T) {
	t.Parallel()
	client, source := newSide(t), t.TempDir()
	write(t, filepath.Join(source, "f"), "x")
	precious := filepath.Join(client.home, "precious")
	write(t, precious, "precious")
	// A login that is none: its home is that of the client.
	ssh := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(ssh, []byte("#!/bin/sh\nwhile test $1 != --; do shift; done; shift 2; exec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"LOCKSTEP_SSH=" + ssh, "LOCKSTEP_SSH_SERVER=" + binary + " serve --stdio"}
	for folder, want := range map[string]string{
		".": "is your home folder", "~": "is your home folder", "~/": "is your home folder", client.home: "is your home folder",
		"/": "is the root folder", filepath.Dir(client.home): "holds your home folder", precious: "is not a folder",
	} {
		code, said := client.once(env, source, "host:"+folder)
		if code != 1 || !strings.Contains(said, want) {
			t.Errorf("%s: exit %d: %s", folder, code, said)
		}
		if !filepath.IsAbs(folder) {
			continue // here it means another one
		}
		output, err := client.command("serve", "--allow", client.id(), folder).CombinedOutput()
		if err == nil || !strings.Contains(string(output), want) {
			t.Errorf("serve %s: %v: %s", folder, err, output)
		}
	}
	if content, err := os.ReadFile(precious); err != nil || string(content) != "precious" {
		t.Fatalf("%q, %v", content, err)
	}
	replica := t.TempDir()
	output, err := client.command("serve", "--allow", client.id(), "--log-file", filepath.Join(replica, "log"), replica).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "is inside the folder") {
		t.Errorf("%v: %s", err, output)
	}
}
