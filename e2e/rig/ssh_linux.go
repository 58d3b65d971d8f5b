package rig

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
)

// SSH is a real sshd on the loopback, with keys of its own on both sides.
type SSH struct {
	// Server is the command that runs it, and Log where it says what it does: first [SSHListens], once it can be reached.
	Server []string
	Log    string
	// Client is the ssh that knows its key and has one that it admits, to be split at spaces.
	Client string
	// Host is user@address:port, and Port the last part of it.
	Host, Port string
}

// SSHListens is in the log of an sshd that can be reached.
const SSHListens = "Server listening"

// PrepareSSH makes what an sshd for the current user needs, in a folder the name of which has no spaces; only root's can run. Errors:
// [exec.ErrNotFound] when there is no sshd.
func PrepareSSH(folder, port string) (*SSH, error) {
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where sshd shuts its unprivileged half in
		return nil, err
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	for _, name := range []string{"host", "user"} {
		if output, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in(name)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, output)
		}
	}
	key, err := os.ReadFile(in("host.pub"))
	if err != nil {
		return nil, err
	}
	const server = "Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\n" +
		"PasswordAuthentication no\n"
	const client = "Host *\nPort %s\nIdentityFile %s\nIdentitiesOnly yes\nUserKnownHostsFile %s\nStrictHostKeyChecking yes\n"
	for name, text := range map[string]string{
		"known":     fmt.Sprintf("[127.0.0.1]:%s %s", port, key),
		"sshd.conf": fmt.Sprintf(server, port, in("host"), in("user.pub")),
		"ssh.conf":  fmt.Sprintf(client, port, in("user"), in("known")),
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return &SSH{
		Server: []string{program, "-D", "-E", in("sshd.log"), "-f", in("sshd.conf")}, Log: in("sshd.log"),
		Client: "ssh -F " + in("ssh.conf"), Host: me.Username + "@127.0.0.1:" + port, Port: port,
	}, nil
}
