package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lockstep/logging"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/identity"
	"lockstep/reconcile/remote/reach"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// remoteWorkers carry out batches at once in a replica on another machine,
// unless told otherwise. A batch asks ahead of the answers: few large ones keep
// the link busy, and cost fewer syncs than many. remoteComparers compare folders
// at once, and may wait for an answer for each.
const (
	remoteWorkers   = 4
	remoteComparers = 8
)

// From how much memory on the two sides of a connection collect garbage more
// often: what is under way is a few megabytes for each call. A server maps its
// index besides.
const (
	clientMemory = 64 << 20
	serverMemory = 56 << 20
)

// limitMemory holds that, unless somebody has chosen otherwise.
func limitMemory(most int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(most)
	}
}

// clientGarbage is how much garbage a client gathers before it is collected, in
// percent of what is in use: that is little, and clientMemory bounds both.
const clientGarbage = 200

// collectLess holds that, unless somebody has chosen otherwise.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(clientGarbage)
	}
}

// The variables that say how ssh and the server are started. They are no
// flags: who needs them needs them for every mirror to that host.
const (
	sshVariable    = "LOCKSTEP_SSH"
	serverVariable = "LOCKSTEP_SSH_SERVER"
	keyVariable    = "LOCKSTEP_KEY"
)

// readReplica finds out whether the replica is on another machine.
func (s *settings) readReplica() error {
	a, remote, err := reach.Parse(s.replica, runtime.GOOS == "windows")
	if err != nil {
		return wrongUsage("write user@host:folder, ssh://user@host:port/folder, lockstep://ID@host:port, or ./"+s.replica+" for a folder here",
			"replica %q: %v", s.replica, err)
	}
	if remote {
		s.address = &a
	}
	return nil
}

// admitRemote is admit for a replica on another machine: what cannot overlap
// is not compared.
func admitRemote(s *settings) (pair, error) {
	p := pair{replica: s.address.String()}
	var err error
	if p.source, err = local.Resolve(s.source); err != nil {
		return p, unreadable(err)
	}
	s.source, s.replica = p.source, p.replica
	if s.method == tree.ByCache {
		p.cache = cachePlace(pairName(s)+mirrorCache, p.source)
	}
	p.logFile = s.logFile
	if p.logFile == "" && !s.changesNothing() {
		state, err := stateFolder()
		if err != nil {
			p.noLogFile = noLog(err)
			return p, nil
		}
		p.logFile = filepath.Join(state, pairName(s)+".log")
	}
	if p.logFile == "" {
		return p, nil
	}
	resolved, err := local.Resolve(p.logFile)
	if err == nil && inside(resolved, p.source) {
		hint := "name one outside of it with --log-file"
		if s.logFile == "" {
			hint = ownLogHint
		}
		return p, wrongUsage(hint, "log file %q is inside the source", p.logFile)
	}
	return p, nil
}

// replica is what is written, wherever it is.
type replica struct {
	tree.Replica
	created bool // it was missing, and has been made
	remote  *client.Replica
	line    *connection
}

// openReplica opens the replica of s. It waits for a server that is not there
// yet, unless there is to be only one pass.
func openReplica(ctx context.Context, s settings, p pair, o local.ReplicaOptions, log *logging.Log) (*replica, error) {
	if s.address == nil {
		r, err := local.OpenReplica(p.replica, o)
		if err != nil {
			return nil, replicaEnding(err)
		}
		return &replica{Replica: r, created: r.Created()}, nil
	}
	limitMemory(clientMemory)
	collectLess()
	dial, err := dialer(*s.address)
	if err != nil {
		return nil, err
	}
	line := &connection{log: log}
	options := client.Options{
		Dial: dial, Folder: s.address.Folder, ReadOnly: o.ReadOnly, Software: "lockstep " + version(), Who: whoWeAre(), Observer: line,
	}
	if o.Cache != "" {
		if options.Cache, err = local.OpenCache(o.Cache, p.source, local.Auto); err != nil {
			return nil, unreadable(err)
		}
	}
	open := client.OpenPatiently
	if s.once || o.ReadOnly {
		open = client.Open
	}
	r, err := open(ctx, options)
	if err != nil {
		return nil, remoteEnding(err)
	}
	return &replica{Replica: r, remote: r, line: line}, nil
}

// dialer returns what connects to a.
func dialer(a reach.Address) (reach.Dialer, error) {
	o := reach.Options{SSH: strings.Fields(os.Getenv(sshVariable)), Server: strings.Fields(os.Getenv(serverVariable))}
	if a.Way == reach.TLS {
		var err error
		if o.Key, err = loadKey(""); err != nil {
			return nil, err
		}
	}
	return a.Dialer(o), nil
}

// loadKey returns the key of this machine; file is "" for the default one.
func loadKey(file string) (*identity.Key, error) {
	if file == "" {
		file = os.Getenv(keyVariable)
	}
	if file == "" {
		var err error
		if file, err = identity.DefaultFile(); err != nil {
			return nil, &ending{code: exitFailed, what: err.Error(), hint: "name a file with " + keyVariable}
		}
	}
	key, err := identity.Load(file)
	if err != nil {
		return nil, &ending{code: exitFailed, what: err.Error(), hint: "the key has to be a file that only its owner can read"}
	}
	return key, nil
}

// whoWeAre is what other clients of a server are told of this one.
func whoWeAre() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}

func remoteEnding(err error) error {
	hint := "see that the host answers, and that lockstep is installed there"
	switch {
	case errors.Is(err, wire.ErrBusy):
		hint = anotherHint
	case client.IsFinal(err):
		hint = "compare the IDs, the versions and the folder of both sides"
	}
	return &ending{code: exitFailed, what: strings.ReplaceAll(err.Error(), "\n", "; "), hint: hint}
}

// away reports whether the replica is on another machine and out of reach.
func (r *replica) away() bool {
	return r.remote != nil && errors.Is(r.remote.Check(), tree.ErrUnreachable)
}

// absence is what is called each time the server is out of reach, and each
// time it is there again.
type absence struct{ begins, ends func() }

// keep keeps the connection, if there is one, until release is called.
func (r *replica) keep(ctx context.Context, a absence) (release func()) {
	if r.remote == nil {
		return func() {}
	}
	r.line.absence.Store(&a)
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.remote.Run(ctx) })
	return func() {
		stop()
		running.Wait()
	}
}

// connection tells how the connection to a server is.
type connection struct {
	log     *logging.Log // nil for nobody
	absence atomic.Pointer[absence]
}

// Lost is told once.
func (c *connection) Lost(cause error) {
	c.notice(logging.Notice{
		Class: "replica_lost", Text: "the replica is out of reach: " + oneLine(cause),
		Remedy: "it is tried again by itself; what changes meanwhile is brought over then",
	})
	if a := c.absence.Load(); a != nil {
		a.begins()
	}
}

// Retrying is bookkeeping.
func (c *connection) Retrying(attempt int, pause time.Duration, cause error) {
	c.notice(logging.Notice{
		Class: "replica_retry", Level: logging.LevelDebug,
		Text: fmt.Sprintf("attempt %d to reach the replica: %s; the next in %v", attempt, oneLine(cause), pause),
	})
}

// Found asks for a pass: what the server lost meanwhile, no event tells of.
func (c *connection) Found(away time.Duration) {
	c.notice(logging.Notice{
		Class: "replica_found", Level: logging.LevelInfo,
		Text: fmt.Sprintf("the replica is in reach again after %v; a pass follows", away.Round(time.Millisecond)),
	})
	if a := c.absence.Load(); a != nil {
		a.ends()
	}
}

func (c *connection) notice(n logging.Notice) {
	if c.log != nil {
		c.log.Notice(n)
	}
}

func oneLine(err error) string {
	if err == nil {
		err = errors.New("no reason is known")
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
