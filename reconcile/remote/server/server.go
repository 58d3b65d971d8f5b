// Package server offers a folder as a replica to one client at a time, over
// any stream of bytes. What it does to the folder it does through a
// [tree.Replica] of this machine, which keeps its promises whatever the client
// asks; the server adds the checks of what it is told, the chunks that need
// not be sent, and a guard of its own.
package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"lockstep/reconcile/remote/chunk"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Times that are decisions.
const (
	// GreetWithin is how long a client may take from its first byte to its
	// last one of the greeting, authentication included.
	GreetWithin = 10 * time.Second
	// takeOverWithin is how long a client that comes back waits for its own
	// earlier session to end.
	takeOverWithin = 8 * time.Second
	// leaveWithin is how long another client waits for the end of a session to
	// show.
	leaveWithin = 300 * time.Millisecond
)

// mostAtOnce is how many clients may look at the same time, and how many may
// wait for the folder: each takes memory.
const mostAtOnce = 8

// Reader reads what a replica holds, but for entries at work. The names that
// its folders tell are bare. Errors: [fs.ErrNotExist] when there is no folder.
type Reader interface {
	Folder(path tree.Path) (tree.SourceFolder, error)
}

// Folder is what is offered.
type Folder struct {
	// Replica writes it, and Reader reads it.
	Replica tree.Replica
	Reader  Reader
	// Identity names the folder for as long as it is the same one.
	Identity []byte
	// Index and Spool may be nil: then more is sent.
	Index *chunk.Index
	Spool *chunk.Spool
	// Cache is of its contents, for [tree.ByCache], and may be nil: then all of
	// them are read.
	Cache tree.Cache
}

// Request is what a client asks for in its greeting.
type Request struct {
	Folder   string
	ReadOnly bool
}

// Options are the choices for [New].
type Options struct {
	// Open returns the folder for a client, and what to call when it left.
	// Its errors are told to the client.
	Open func(Request) (*Folder, func(), error)
	// MaxRemovals holds removals of a burst beyond it; nil for no bound.
	MaxRemovals func(entries int64) int64
	// Software is what the server calls itself.
	Software string
	// Observer is told who comes and goes; nil for nobody.
	Observer Observer
}

// Observer is told what happens. Safe for concurrent use.
type Observer interface {
	Joined(who string)
	Left(who string, err error)
	// Refused: err says why who was not admitted.
	Refused(who string, err error)
	// Held: the server's guard holds so many entries at path.
	Held(path tree.Path, entries int)
}

// Server gives its folder to one client at a time, besides those that only
// look.
type Server struct {
	o Options

	// Guarded by mu. counted are the sessions that only look, and all others.
	mu      sync.Mutex
	holder  *session
	counted map[bool]int
}

// New returns a server. It starts nothing.
func New(o Options) *Server {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Server{o: o, counted: map[bool]int{}}
}

// Greet reads the greeting of a client, for those who have to know what it
// asks for before they call [Server.Serve].
func Greet(conn net.Conn) (*wire.Hello, error) {
	if err := conn.SetDeadline(time.Now().Add(GreetWithin)); err != nil {
		return nil, fmt.Errorf("greet: %w", err)
	}
	return wire.ReadHello(conn)
}

// Serve serves the client behind conn until it leaves or ctx ends, and closes
// conn. who names the client for other people; hello is what [Greet] returned,
// with its error. It returns when nothing of the session runs any more.
func (s *Server) Serve(ctx context.Context, conn net.Conn, who string, hello *wire.Hello, helloErr error) error {
	defer conn.Close()
	if hello == nil {
		s.o.Observer.Refused(who, helloErr)
		return helloErr
	}
	if hello.Who != "" && who == "" {
		who = wire.Clean(hello.Who)
	}
	x := &session{
		server: s, conn: conn, who: who, instance: hello.Instance, readOnly: hello.ReadOnly,
		since: time.Now(), ended: make(chan struct{}), leaving: make(chan struct{}),
		applying: make(chan struct{}, wire.MaxBatches),
	}
	defer close(x.ended)
	err := cmp.Or(helloErr, s.count(x))
	defer s.leave(x)
	if err == nil && !x.readOnly { // one that only looks is in nobody's way
		err = s.take(x)
	}
	if err != nil {
		return s.refuse(x, err)
	}
	defer s.give(x)
	folder, release, err := s.o.Open(Request{Folder: string(hello.Folder), ReadOnly: hello.ReadOnly})
	if err != nil {
		return s.refuse(x, err)
	}
	defer release()
	x.folder = folder
	x.guard = &guard{limit: s.o.MaxRemovals, replica: folder.Replica, observer: s.o.Observer}
	welcome := &wire.Welcome{
		Software: s.o.Software, Version: hello.Version, Identity: folder.Identity,
		Traits: wire.FromTraits(folder.Replica.Traits()),
	}
	if err := wire.SendWelcome(conn, welcome); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	s.o.Observer.Joined(who)
	err = x.run(ctx)
	s.o.Observer.Left(who, err)
	return err
}

// count counts x in, unless there are too many of its kind.
func (s *Server) count(x *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counted[x.readOnly]++; s.counted[x.readOnly] > mostAtOnce {
		return fmt.Errorf("%w: %d connections are open", wire.ErrBusy, mostAtOnce)
	}
	return nil
}

func (s *Server) leave(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted[x.readOnly]--
}

// refuse tells the client why it is not admitted.
func (s *Server) refuse(x *session, cause error) error {
	s.o.Observer.Refused(x.who, cause)
	err := wire.SendWelcome(x.conn, &wire.Welcome{Software: s.o.Software, Refusal: wire.FromError(cause)})
	return errors.Join(cause, err)
}

// take gives the folder to x. A client that comes back, maybe from another
// address, ends its own earlier session, whose end may not have been noticed
// here; it is known by what it drew at random and nobody else was told. A
// session whose client has gone is waited for while it ends what it began.
func (s *Server) take(x *session) error {
	deadline := time.NewTimer(takeOverWithin)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		holder := s.holder
		if holder == nil {
			s.holder = x
		}
		s.mu.Unlock()
		if holder == nil {
			return nil
		}
		if len(x.instance) > 0 && bytes.Equal(holder.instance, x.instance) {
			holder.conn.Close()
		} else if !holder.isLeaving() {
			return holder.busy()
		}
		select {
		case <-holder.ended:
		case <-deadline.C:
			return holder.busy()
		}
	}
}

// busy says who has the folder.
func (x *session) busy() error {
	return fmt.Errorf("%w: %s, since %s", wire.ErrBusy, x.who, x.since.Format(time.DateTime))
}

// isLeaving reports whether the client has gone, as far as that shows within a
// moment: its end and the next client may arrive together.
func (x *session) isLeaving() bool {
	select {
	case <-x.leaving:
		return true
	case <-x.ended:
		return true
	case <-time.After(leaveWithin):
		return false
	}
}

func (s *Server) give(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder == x {
		s.holder = nil
	}
}

// nobody is the Observer that tells nobody.
type nobody struct{}

func (nobody) Joined(string)         {}
func (nobody) Left(string, error)    {}
func (nobody) Refused(string, error) {}
func (nobody) Held(tree.Path, int)   {}
