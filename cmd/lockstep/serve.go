package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/proto"

	"lockstep/logging"
	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/identity"
	"lockstep/reconcile/remote/reach"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

const serveHelp = `lockstep serve offers FOLDER as a replica to one client at a time.

  lockstep serve --allow ID /srv/copy                 on this machine, port 7447
  lockstep serve --listen :7447 --allow ID /srv/copy  for other machines
  lockstep serve --stdio                              started by the client, through ssh

A client is admitted by the ID that lockstep id prints there. With --stdio the
client names the folder, unless FOLDER is given: then it is that one.

flags:
      --listen ADDRESS   host:port to listen on (localhost:7447)
      --allow ID         a client to admit; may be given more than once
      --stdio            serve one client on standard input and output
      --durability HOW   none, auto or always (auto)
      --max-delete N|N%  refuse removals when there are more at once
  -l, --log-file FILE    JSON lines (under the user's state folder)
      --log-level LEVEL  debug, info, warn or error (info)
      --log-format FORMAT  of the console: text or json (text)
  -q, --quiet            warnings and errors only, on the console

exit codes:
  0  stopped cleanly    1  failed    2  wrong usage
`

// defaultListen is where a server listens unless told otherwise: nobody on
// another machine gets there.
const defaultListen = "localhost:7447"

// serving are the settings of a server that make sense.
type serving struct {
	folder  string // "" when the client is to name it
	listen  string
	stdio   bool
	allowed map[identity.ID]bool
	limit   reconcile.Limit
	s       settings
}

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "offer a folder as a replica to other machines",
		Flags: []cli.Flag{
			text("listen", defaultListen),
			&cli.StringSliceFlag{Name: "allow", EnvVars: env("allow")},
			choice("stdio"),
			text("durability", "auto"), text("max-delete", ""), text("log-file", "", "l"),
			text("log-level", "info"), text("log-format", "text"), choice("quiet", "q"),
		},
		CustomHelpTemplate: serveHelp,
		OnUsageError:       onUsageError,
		HideHelpCommand:    true,
		Action: func(c *cli.Context) error {
			v, err := readServing(c)
			if err != nil {
				return err
			}
			limitMemory(serverMemory)
			if v.stdio {
				return serveStdio(c.Context, v)
			}
			return serveTLS(c.Context, v)
		},
	}
}

// readServing checks everything that can be checked without looking at a file
// system.
func readServing(c *cli.Context) (serving, error) {
	v := serving{
		folder: c.Args().First(), listen: c.String("listen"), stdio: c.Bool("stdio"), allowed: map[identity.ID]bool{},
		s: settings{logFile: c.String("log-file"), quiet: c.Bool("quiet"), words: map[string]string{}},
	}
	switch {
	case c.Args().Len() > 1:
		return v, wrongUsage("quote names that hold spaces; see lockstep serve --help", "surplus argument %q", c.Args().Get(1))
	case v.folder == "" && !v.stdio:
		return v, wrongUsage("say lockstep serve --allow ID FOLDER", "the folder is not named")
	case v.stdio && c.IsSet("listen"):
		return v, wrongUsage("take one of the two", "--stdio and --listen are both given")
	}
	for _, word := range c.StringSlice("allow") {
		id, err := identity.ParseID(word)
		if err != nil {
			return v, wrongUsage("run lockstep id on the client", "allow: %v", err)
		}
		v.allowed[id] = true
	}
	if !v.stdio && len(v.allowed) == 0 {
		return v, wrongUsage("run lockstep id on the client, and admit it with --allow ID", "nobody would be admitted")
	}
	ok := false
	if v.s.durability, ok = durabilities[c.String("durability")]; !ok {
		return v, wrongUsage("take none, auto or always", "durability %q is unknown", c.String("durability"))
	}
	if word := c.String("max-delete"); word != "" {
		limit, err := reconcile.ParseLimit(word)
		if err != nil {
			return v, wrongUsage("write a number such as 100, or a share such as 10%", "max-delete: %v", err)
		}
		v.limit = limit
	}
	return v, v.s.readLogging(c)
}

// open opens the folder at path for serving.
func (v serving) open(path string, readOnly bool, log *logging.Log) (*server.Folder, func(), error) {
	resolved, err := local.Resolve(path)
	if err != nil {
		return nil, nil, err
	}
	replica, err := v.openReplica(resolved, readOnly)
	if err != nil {
		return nil, nil, err
	}
	// The number of the device changes from one start of a machine to the
	// next; that of the folder is another one when nothing is mounted there.
	f := &server.Folder{Replica: replica, Reader: replica, Identity: fmt.Append(nil, replica.ID().Ino)}
	if readOnly && replica.ID() == (tree.ID{}) {
		return f, func() { replica.Close() }, nil // what is missing reads as empty
	}
	caches := lookCaches(resolved, v.s.durability)
	if !readOnly {
		err = caches.open(resolved, indexDamaged(log))
	}
	if err != nil {
		replica.Close()
		return nil, nil, err
	}
	f.Index, f.Spool, f.Cache = caches.index, caches.spool, caches.contents
	return f, func() {
		caches.close()
		replica.Close()
	}, nil
}

// unlockWithin is how long the server of a client that has gone may take to
// end what it began. Through ssh each connection has a server of its own.
const unlockWithin = 3 * time.Second

func (v serving) openReplica(path string, readOnly bool) (*local.Replica, error) {
	deadline := time.Now().Add(unlockWithin)
	for {
		r, err := local.OpenReplica(path, local.ReplicaOptions{Durability: v.s.durability, ReadOnly: readOnly})
		if !v.stdio || !errors.Is(err, local.ErrLocked) || time.Now().After(deadline) {
			return r, err
		}
		time.Sleep(unlockWithin / 30)
	}
}

// The variables by which a process that was started anew knows what has been
// done: that it is confined, or why not, and what the client said.
const (
	confinedVariable = "LOCKSTEP_CONFINED"
	helloVariable    = "LOCKSTEP_HELLO"
)

func packHello(h *wire.Hello) string {
	raw, err := proto.Marshal(h)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func unpackHello(text string) *wire.Hello {
	raw, err := base64.StdEncoding.DecodeString(text)
	h := &wire.Hello{}
	if err != nil || proto.Unmarshal(raw, h) != nil {
		return nil
	}
	return h
}

// greetStdio returns the connection on standard input and output, and what the
// client says there.
func greetStdio() (net.Conn, *wire.Hello, error) {
	conn := reach.Stdio(pollable(os.Stdin), pollable(os.Stdout))
	if packed := os.Getenv(helloVariable); packed != "" && os.Getenv(confinedVariable) != "" {
		os.Unsetenv(helloVariable)
		if h := unpackHello(packed); h != nil {
			return conn, h, nil
		}
	}
	hello, err := server.Greet(conn)
	return conn, hello, err
}

// home returns a relative folder's place: that of the user, as ssh has it.
func home(folder string) (string, error) {
	if folder = strings.TrimPrefix(folder, "~/"); folder == "~" {
		folder = ""
	}
	if filepath.IsAbs(folder) {
		return folder, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, folder), nil
}
