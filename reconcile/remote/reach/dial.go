package reach

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"lockstep/reconcile/remote/identity"
)

// Options are the choices for [Address.Dialer].
type Options struct {
	// Key is what this machine shows, for TLS.
	Key *identity.Key
	// SSH is the ssh program with its arguments, and Server what is started
	// on the host; nil for "ssh" and "lockstep".
	SSH, Server []string
}

// handshakeWithin bounds the TLS handshake.
const handshakeWithin = 10 * time.Second

// Dialer makes one connection after the other.
type Dialer func(ctx context.Context) (net.Conn, error)

// Dialer returns what connects to the server.
func (a Address) Dialer(o Options) Dialer {
	return func(ctx context.Context) (net.Conn, error) { return a.dial(ctx, o) }
}

func (a Address) dial(ctx context.Context, o Options) (net.Conn, error) {
	if a.Way == SSH {
		return a.dialSSH(ctx, o)
	}
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 2}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(a.Host, a.Port))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	defer cancel()
	secured, err := o.Key.Client(ctx, conn, a.ID)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// arguments is the command line of ssh. The folder is not on it: it travels
// inside the protocol, where no shell reads it.
func (a Address) arguments(o Options) []string {
	words := []string{"ssh"}
	if len(o.SSH) > 0 {
		words = append([]string(nil), o.SSH...)
	}
	words = append(words, "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=2")
	if a.Port != "" {
		words = append(words, "-p", a.Port)
	}
	host := a.Host
	if a.User != "" {
		host = a.User + "@" + host
	}
	words = append(words, "--", host)
	if len(o.Server) > 0 {
		return append(words, o.Server...)
	}
	return append(words, "lockstep", "serve", "--stdio")
}

// dialSSH starts the system's ssh, and with it the server.
func (a Address) dialSSH(ctx context.Context, o Options) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	words := a.arguments(o)
	command := exec.Command(words[0], words[1:]...)
	ownGroup(command)
	return start(command)
}

// start runs a command and returns what it says and hears as a connection.
func start(command *exec.Cmd) (net.Conn, error) {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		ourOut.Close()
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	c := &child{Conn: Stdio(ourIn, ourOut), command: command, ended: make(chan struct{})}
	command.Stdin, command.Stdout, command.Stderr = theirIn, theirOut, &c.noise
	err = command.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		c.Conn.Close()
		return nil, fmt.Errorf("start %s: %w", strings.Join(command.Args[:1], " "), err)
	}
	go func() { // ends with the child, which Close makes sure of
		c.result = command.Wait()
		close(c.ended)
	}()
	return c, nil
}
