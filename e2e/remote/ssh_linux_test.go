package remote_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"lockstep/e2e/rig"
)

// sshd runs a real sshd on the loopback and returns the variables and the
// host by which a client reaches it.
func sshd(t *testing.T) (env []string, host string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root runs an sshd")
	}
	ssh, err := rig.PrepareSSH(t.TempDir(), freePort(t))
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("there is no sshd: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	daemon, err := rig.Start(rig.Command(false, ssh.Server[0], ssh.Server[1:]...), ssh.Log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(daemon.Kill)
	if err := daemon.AwaitLog(regexp.MustCompile(rig.SSHListens)); err != nil {
		t.Fatalf("sshd: %v\n%s", err, daemon.Output())
	}
	return []string{"LOCKSTEP_SSH=" + ssh.Client}, ssh.Host
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
	// What the server says itself is told once, and with what to do about it.
	env = append(env, "LOCKSTEP_SSH_SERVER="+binary+" serve --stdio")
	replica := t.TempDir()
	if err := client.start("mirror", nil, source, replica).Ready(); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{replica: "stop the other lockstep", "/": "the root folder"} {
		code, said := client.once(env, source, "ssh://"+host+folder)
		if code != 1 || !strings.Contains(said, want) || strings.Contains(said, "ssh: exit") {
			t.Errorf("%s: exit %d: %s", folder, code, said)
		}
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

// TestHungSSH (X19): an ssh that hangs does not outlive the client that started
// it.
func TestHungSSH(t *testing.T) {
	t.Parallel()
	client := newSide(t)
	ssh, noted := filepath.Join(client.home, "ssh"), filepath.Join(client.home, "pid")
	write(t, ssh, "echo $$ >"+noted+".new\nmv "+noted+".new "+noted+"\nsleep 1000\n")
	p := client.start("mirror", []string{"LOCKSTEP_SSH=sh " + ssh}, t.TempDir(), "host:/folder")
	var pid int
	err := rig.Await(rig.Patience, func() error {
		text, err := os.ReadFile(noted)
		if err == nil {
			_, err = fmt.Sscan(string(text), &pid)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	t.Cleanup(func() { syscall.Kill(-pid, syscall.SIGKILL) })
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Exit(rig.Patience); code != 0 || err != nil {
		t.Errorf("exit %d, %v\n%s", code, err, p.Output())
	}
	err = rig.Await(5*time.Second, func() error {
		if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("it is still there: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
