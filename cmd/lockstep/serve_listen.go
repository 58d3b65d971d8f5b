package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"lockstep/logging"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/confine"
	"lockstep/reconcile/remote/identity"
	"lockstep/reconcile/remote/server"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// caches are what a server remembers of its folder, outside of it.
type caches struct {
	index    *chunk.Index
	contents tree.Cache
	spool    *chunk.Spool
	temp     string // to remove at the end
}

// Where they lie below their folder.
const (
	indexPlace    = "index"
	contentsPlace = "contents"
	spoolPlace    = "spool"
)

// cacheFolder is where the caches of a folder lie; "" when there is no place
// for them.
func cacheFolder(folder string) string {
	h := fnv.New64a()
	h.Write([]byte(folder))
	return cachePlace(fmt.Sprintf("%s%016x", serverCaches, h.Sum64()), folder)
}

// lookCaches opens the caches of a folder for a session that only looks: index
// and spool are for those that write.
func lookCaches(folder string, d local.Durability) *caches {
	c := &caches{}
	if place := cacheFolder(folder); place != "" {
		c.contents, _ = local.OpenCache(filepath.Join(place, contentsPlace), folder, d) // without it more is read
	}
	return c
}

// open opens those of a folder that are for one who writes. The spool belongs to
// the process that has the lock of the index; another one has a spool of its
// own. damaged is told of an index that was begun anew.
func (c *caches) open(folder string, damaged func(error)) error {
	place := cacheFolder(folder)
	if place != "" {
		var err error
		index := filepath.Join(place, indexPlace)
		if c.index, err = chunk.OpenIndex(index, damaged); err != nil {
			c.index = nil // more is sent, and nothing else
		}
		_ = os.Chtimes(index, time.Time{}, time.Now()) // in use, it is not pruned
		if c.index != nil {
			if c.spool, err = chunk.OpenSpool(filepath.Join(place, spoolPlace)); err == nil {
				c.spool.SpareIn(folder)
				return nil
			}
		}
	}
	var err error
	if c.temp, err = os.MkdirTemp("", "lockstep-"); err != nil && place != "" { // it may be out of reach
		c.temp, err = os.MkdirTemp(place, spoolPlace+"-")
	}
	if err == nil {
		c.spool, err = chunk.OpenSpool(c.temp)
	}
	if err != nil {
		c.close()
		return fmt.Errorf("make room for what arrives: %w", err)
	}
	c.spool.SpareIn(folder)
	return nil
}

func (c *caches) close() {
	c.index.Close()
	if c.temp != "" {
		os.RemoveAll(c.temp)
	}
}

// confined starts this process anew so that it reaches nothing but the folder
// and its own files, or returns why not. more goes into its environment.
func confined(folder, logFile string, more ...string) error {
	if os.Getenv(confinedVariable) != "" {
		if root, err := os.Open("/"); err == nil { // somebody else has set it
			root.Close()
			return errors.New("it was told that it is, and reaches all there is")
		}
		return nil
	}
	pruneCaches(folder) // those of others are out of reach afterwards
	rules := confine.Rules{
		Write: []string{folder, "/dev/null"},
		Read:  []string{"/usr", "/lib", "/lib64", "/etc", "/proc", "/sys/kernel/mm", "/dev/urandom"},
	}
	if place := cacheFolder(folder); place != "" && os.MkdirAll(place, 0o700) == nil {
		rules.Write = append(rules.Write, place)
	} else {
		rules.Write = append(rules.Write, os.TempDir())
	}
	if logFile != "" && os.MkdirAll(filepath.Dir(logFile), 0o700) == nil {
		rules.Write = append(rules.Write, filepath.Dir(logFile))
	}
	if key := os.Getenv(keyVariable); key != "" {
		rules.Read = append(rules.Read, key)
	} else if key, err := identity.DefaultFile(); err == nil {
		rules.Read = append(rules.Read, filepath.Dir(key))
	}
	return confine.Restart(rules, append(more, confinedVariable+"=yes")...)
}

// journal is the log of a server.
type journal struct {
	*logging.Log
	live *logging.Live
	file string // "" for none, and why in none
	none error
}

// serveLog opens the log of a server for a folder. Without the default file
// there is none.
func (v serving) serveLog(folder string) (journal, error) {
	j := journal{live: logging.NewLive(os.Stderr, logging.LineNever), file: v.s.logFile}
	if v.stdio {
		j.live = nil // what is said on standard error ends up in the client's messages
	}
	if j.file == "" {
		var state string
		if state, j.none = stateFolder(); j.none == nil {
			v.s.source, v.s.replica = "serve", folder
			j.file = filepath.Join(state, pairName(&v.s)+".log")
		}
	}
	if at, err := local.Resolve(j.file); j.file != "" && folder != "" && err == nil && inside(at, folder) {
		if v.s.logFile != "" {
			return j, wrongUsage("name one outside of it with --log-file", "log file %q is inside the folder", j.file)
		}
		j.none = fmt.Errorf("log file %q is inside the folder", j.file)
	}
	o := logging.Options{File: j.file, Console: j.live, Level: v.s.level, Format: v.s.format, Quiet: v.s.quiet}
	var err error
	if j.none == nil {
		if j.Log, err = logging.Open(o); err == nil {
			return j, nil
		}
		if v.s.logFile != "" {
			return j, &ending{code: exitFailed, what: err.Error(), hint: "name another one with --log-file"}
		}
		j.none = err
	}
	o.File, j.file = "", ""
	j.Log, err = logging.Open(o)
	return j, err
}

// tellStart tells what is less than it should be: cause is why the process is
// not confined, if it is not.
func (j journal) tellStart(cause error) {
	if j.none != nil {
		j.Notice(logging.Notice{Class: "no_log_file", Text: noLog(j.none), Remedy: "name one with --log-file"})
	}
	if cause != nil {
		j.Notice(logging.Notice{
			Class: "not_confined", Text: "this server is not confined to its folder: " + oneLine(cause),
			Remedy: "run it as a user of its own",
		})
	}
}

// serveTLS listens until it is told to stop.
func serveTLS(ctx context.Context, v serving) error {
	ctx, stopped := untilSignal(ctx, stopGrace)
	defer stopped()
	folder, err := v.prepare(v.folder)
	var refusal *local.Refusal
	if errors.As(err, &refusal) {
		return wrongUsage(refusal.Hint, "%s", refusal.What)
	}
	if err != nil {
		return &ending{code: exitFailed, what: err.Error(), hint: "name a folder that can be written"}
	}
	key, err := loadKey("")
	if err != nil {
		return err
	}
	log, err := v.serveLog(folder)
	if err != nil {
		return err
	}
	defer log.Close()
	showing, hide := context.WithCancel(context.WithoutCancel(ctx))
	var shown sync.WaitGroup
	shown.Go(func() { log.live.Run(showing) })
	defer shown.Wait()
	defer hide()
	log.tellStart(confined(folder, log.file))

	opened, release, err := v.open(folder, false, log.Log)
	if err != nil {
		return replicaEnding(err)
	}
	defer release()
	listener, err := net.Listen("tcp", v.listen)
	if err != nil {
		return &ending{code: exitFailed, what: err.Error(), hint: "name another address with --listen"}
	}
	began := time.Now()
	serving := fmt.Sprintf("serving %s at lockstep://%v@%v", logging.Name(folder), key.ID(), listener.Addr())
	if log.file != "" {
		serving += ", log " + logging.Name(log.file)
	}
	log.Notice(logging.Notice{Class: "serving", Level: logging.LevelInfo, Text: serving})
	g := &guests{log: log.Log}
	d := &door{v: v, key: key, guests: g, server: server.New(server.Options{
		Open:     func(server.Request) (*server.Folder, func(), error) { return opened, func() {}, nil },
		Software: "lockstep " + version(), Observer: g, MaxRemovals: v.limitOf(),
	})}
	d.run(ctx, listener)
	log.Stopped(logging.Stopped{Reason: "done", Elapsed: time.Since(began)})
	return nil
}

// prepare makes the folder if it is missing and returns its place without
// symlinks. Errors: [*local.Refusal] for one that is not to be written.
func (v serving) prepare(folder string) (string, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if os.Getenv(confinedVariable) == "" { // else it has been, and what is around the folder is out of reach
		if err := local.CheckReplica(absolute); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(absolute, 0o777); err != nil {
		return "", err
	}
	return local.Resolve(absolute)
}

// limitOf returns how many of so many entries may go at once; nil for all.
func (v serving) limitOf() func(int64) int64 {
	word := v.limit.String()
	if word == "" {
		return nil
	}
	if share, isShare := strings.CutSuffix(word, "%"); isShare {
		percent, err := strconv.ParseFloat(share, 64)
		return func(entries int64) int64 {
			if err != nil {
				return 0
			}
			return int64(float64(entries) * percent / 100)
		}
	}
	count, err := strconv.ParseInt(word, 10, 64)
	return func(int64) int64 {
		if err != nil {
			return 0
		}
		return count
	}
}

// door lets clients in.
type door struct {
	v         serving
	key       *identity.Key
	guests    *guests
	server    *server.Server
	strangers strangers
}

// run accepts connections until ctx ends, and returns when all have ended.
func (d *door) run(ctx context.Context, listener net.Listener) {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files: wait for some to be closed
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		d.strangers.enter(conn)
		sessions.Go(func() { d.admit(ctx, conn) })
	}
}

// admit serves the client behind conn if it shows an ID that is allowed.
func (d *door) admit(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer d.strangers.leave(conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	from := conn.RemoteAddr().String()
	// One deadline for all that comes before a client is admitted: it is not
	// moved by single bytes.
	err := conn.SetDeadline(time.Now().Add(server.GreetWithin))
	var secured net.Conn
	var id identity.ID
	if err == nil {
		secured, id, err = d.key.Server(ctx, conn)
	}
	if err != nil {
		d.guests.unknown(from, err)
		return
	}
	if !d.v.allowed[id] {
		cause := fmt.Errorf("the ID of the client is not admitted; start the server with --allow %v to admit it: %w", id, fs.ErrPermission)
		// It holds the key of that ID, and may know.
		_ = wire.SendWelcome(secured, &wire.Welcome{Refusal: wire.FromError(cause)})
		d.guests.Refused(from, cause)
		return
	}
	hello, err := wire.ReadHello(secured)
	d.strangers.leave(conn)
	_ = d.server.Serve(ctx, secured, id.String()[:8]+" at "+from[:max(0, strings.LastIndexByte(from, ':'))], hello, err)
}

// serveStdio serves the client that started this process.
func serveStdio(ctx context.Context, v serving) error {
	ctx, stopped := untilSignal(ctx, stopGrace)
	defer stopped()
	conn, hello, helloErr := greetStdio()
	defer func() { conn.Close() }() // there is one whatever the greeting was
	folder := v.folder
	if hello != nil && helloErr == nil && folder == "" {
		folder = string(hello.Folder)
	}
	var err error
	if folder != "" {
		if folder, err = home(folder); err == nil && (hello == nil || !hello.ReadOnly) {
			folder, err = v.prepare(folder)
		}
	}
	var refusal *local.Refusal
	if errors.As(err, &refusal) { // another attempt ends no otherwise
		err = fmt.Errorf("%w: %w", err, fs.ErrPermission)
	}
	log, logErr := v.serveLog(folder)
	if logErr != nil { // the folder may be on a machine that is full
		log = journal{}
		log.Log, _ = logging.Open(logging.Options{})
	}
	defer log.Close()
	if err == nil && helloErr == nil && hello != nil && folder != "" {
		log.tellStart(confined(folder, log.file, helloVariable+"="+packHello(hello)))
	}
	s := server.New(server.Options{
		Open: func(r server.Request) (*server.Folder, func(), error) {
			if err != nil {
				return nil, nil, err
			}
			if folder == "" {
				return nil, nil, errors.New("the folder is not named")
			}
			opened, release, err := v.open(folder, r.ReadOnly, log.Log)
			if errors.Is(err, local.ErrLocked) { // by the server of another connection, most likely
				err = fmt.Errorf("%w: %w", wire.ErrBusy, err)
			}
			return opened, release, err
		},
		Software: "lockstep " + version(), Observer: &guests{log: log.Log}, MaxRemovals: v.limitOf(),
	})
	if err := s.Serve(ctx, conn, "", hello, helloErr); err != nil && ctx.Err() == nil {
		return &ending{code: exitFailed, what: oneLine(err), hint: "this is meant to be started by a client, through ssh"}
	}
	return nil
}
