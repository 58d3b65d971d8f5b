package remote_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"lockstep/e2e/rig"
)

// sshd runs a real sshd on the loopback and returns the variables and the
// host by which a client reaches it.
func sshd(t *testing.T) (env []string, host string) {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("there is no sshd: ", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root runs an sshd")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	for _, name := range []string{"host", "user"} {
		if output, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in(name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
	}
	port := freePort(t)
	public, err := os.ReadFile(in("user.pub"))
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := os.ReadFile(in("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, in("authorized"), string(public))
	write(t, in("known"), fmt.Sprintf("[127.0.0.1]:%s %s", port, hostKey))
	write(t, in("sshd.conf"), fmt.Sprintf(
		"Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n",
		port, in("host"), in("authorized")))
	write(t, in("ssh.conf"), fmt.Sprintf("Host *\nIdentityFile %s\nIdentitiesOnly yes\nUserKnownHostsFile %s\nStrictHostKeyChecking yes\n", in("user"), in("known")))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where sshd shuts its unprivileged half in
		t.Fatal(err)
	}
	daemon, err := rig.Start(rig.Command(false, program, "-D", "-e", "-f", in("sshd.conf")), in("log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(daemon.Kill)
	if err := rig.Await(rig.Patience, func() error {
		if !strings.Contains(daemon.Output(), "Server listening") {
			return fmt.Errorf("sshd: %s", daemon.Output())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return []string{"LOCKSTEP_SSH=ssh -F " + in("ssh.conf")}, me.Username + "@127.0.0.1:" + port
}

// TestSSH mirrors through a real sshd, after a login that talks (X17).
func TestSSH(t *testing.T) {
	t.Parallel()
	env, host := sshd(t)
	client := newSide(t)
	source, replica := sample(t), filepath.Join(t.TempDir(), "a folder; touch $(x)")
	away := t.TempDir() // what the server keeps for itself
	env = append(env, "LOCKSTEP_SSH_SERVER=echo Welcome to this machine; export HOME="+away+"; exec "+binary+" serve --stdio")
	url := "ssh://" + host + strings.ReplaceAll(replica, " ", "%20")
	p := client.start("mirror", env, source, url)
	if err := p.Ready(); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	equal(t, source, replica)
	write(t, filepath.Join(source, "new"), "event")
	equal(t, source, replica)

	// ssh is killed, as a host that goes away would end it.
	pids, err := exec.Command("pgrep", "-P", fmt.Sprint(p.ID())).Output()
	if err != nil || len(strings.Fields(string(pids))) != 1 {
		t.Fatalf("%q, %v", pids, err)
	}
	if err := exec.Command("kill", "-KILL", strings.TrimSpace(string(pids))).Run(); err != nil {
		t.Fatal(err)
	}
	awaitClass(t, p, "replica_lost")
	write(t, filepath.Join(source, "meanwhile"), "x")
	awaitClass(t, p, "replica_found")
	equal(t, source, replica)
	if n := count(t, p, "replica_lost"); n != 1 {
		t.Errorf("the loss was told %d times", n)
	}
}

// TestSSHRefusals (X17, X18, X19): what went wrong is told in words.
func TestSSHRefusals(t *testing.T) {
	t.Parallel()
	env, host := sshd(t)
	client := newSide(t)
	source := t.TempDir()
	write(t, filepath.Join(source, "f"), "x")
	url := "ssh://" + host + t.TempDir()
	for words, want := range map[string]string{
		"LOCKSTEP_SSH_SERVER=/nowhere/lockstep":               "/nowhere/lockstep",
		"LOCKSTEP_SSH_SERVER=echo this is no lockstep":        "this is no lockstep",
		"LOCKSTEP_SSH_SERVER=yes":                             "no server answered",
		"LOCKSTEP_SSH_SERVER=" + binary + " serve --bad-flag": "unknown flag",
	} {
		if code, said := client.once(append(env, words), source, url); code != 1 || !strings.Contains(said, want) || len(said) > 6000 {
			t.Errorf("%s: exit %d: %s", words, code, said)
		}
	}
	if code, said := client.once([]string{"LOCKSTEP_SSH=ssh -F /dev/null"}, source, "ssh://"+host+"/x"); code != 1 || !strings.Contains(said, "Host key verification failed") {
		t.Errorf("an unknown host: exit %d: %s", code, said)
	}
	mark := filepath.Join(t.TempDir(), "mark")
	for _, name := range []string{"-oProxyCommand=touch:x", "ssh://-oProxyCommand=touch%20" + mark + "/x"} {
		if code, said := client.once(env, "--", source, name); code != 2 {
			t.Errorf("%s: exit %d: %s", name, code, said)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a host was taken for a flag of ssh")
	}
}
