package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// Bounds of what a client may have under way.
const (
	streamWindow  = 4 << 20
	sessionWindow = 8 << 20
	maxHeaders    = 16 << 10
	// lookAtOnce is how many paths are looked at together: attributes may be
	// large.
	lookAtOnce = 64
	// ioSize is how much is handed to the system at once, and headSize how much
	// is read besides what a frame has room for: most of a frame goes there
	// without another copy.
	ioSize   = 256 << 10
	headSize = 512
)

// session is one client at work.
type session struct {
	wire.UnimplementedTreeServer

	// Set by Serve.
	server   *Server
	conn     net.Conn
	who      string
	instance []byte
	readOnly bool
	since    time.Time
	leaving  chan struct{} // closed when the connection is gone
	ended    chan struct{} // closed when nothing runs any more
	folder   *Folder
	guard    *guard
	decoder  *zstd.Decoder
	applying chan struct{}   // has an element for each batch under way
	ctx      context.Context // of the server: a client that is gone does not end what it began
	recent   recent
	looking  sync.Mutex

	// Guarded by mu.
	mu      sync.Mutex
	surveys uint64
	survey  *survey
}

// run serves calls until the connection ends.
func (x *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x.ctx = ctx
	var err error
	// It never makes more than a message of what it takes apart.
	if x.decoder, err = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(wire.MaxMessage), zstd.WithDecoderConcurrency(0)); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer x.decoder.Close()
	g := grpc.NewServer(
		grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage),
		grpc.ForceServerCodecV2(wire.NewCodec()),
		grpc.MaxConcurrentStreams(wire.MaxCalls), grpc.MaxHeaderListSize(maxHeaders),
		grpc.WriteBufferSize(ioSize), grpc.ReadBufferSize(headSize), experimental.BufferPool(newFrames()),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(sessionWindow),
		grpc.ConnectionTimeout(GreetWithin), grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: wire.PingAfter, Timeout: wire.PingWait}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: wire.PingAfter / 3, PermitWithoutStream: true}),
	)
	wire.RegisterTreeServer(g, x)
	only := newOnlyConn(x.conn)
	stop := context.AfterFunc(ctx, func() { only.Close() })
	defer stop()
	serving := make(chan error, 1)
	go func() { serving <- g.Serve(only) }() // ends when the connection does, which Stop makes sure of
	<-only.gone
	close(x.leaving)
	g.Stop()
	<-serving
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return only.err()
}

// onlyConn is a listener that has one connection to give.
type onlyConn struct {
	net.Conn
	given chan struct{}
	once  sync.Once
	gone  chan struct{} // closed when the connection is

	mu    sync.Mutex
	cause error
}

func newOnlyConn(conn net.Conn) *onlyConn {
	o := &onlyConn{Conn: conn, given: make(chan struct{}, 1), gone: make(chan struct{})}
	o.given <- struct{}{}
	return o
}

// Accept gives the connection, and waits for its end when asked again.
func (o *onlyConn) Accept() (net.Conn, error) {
	select {
	case <-o.given:
		return o, nil
	case <-o.gone:
		return nil, net.ErrClosed
	}
}

func (o *onlyConn) Addr() net.Addr { return o.Conn.LocalAddr() }

func (o *onlyConn) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if err != nil && err != io.EOF {
		o.mu.Lock()
		if o.cause == nil {
			o.cause = err
		}
		o.mu.Unlock()
	}
	return n, err
}

func (o *onlyConn) Close() error {
	err := o.Conn.Close()
	o.once.Do(func() { close(o.gone) })
	return err
}

func (o *onlyConn) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

// invalid ends a call that no client of ours would make.
func invalid(format string, args ...any) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf(format, args...))
}

// enter waits until another batch may be under way; after it, the caller calls
// leave.
func (x *session) enter(ctx context.Context) error {
	select {
	case x.applying <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *session) leave() { <-x.applying }

// Check looks at the folder's root.
func (x *session) Check(context.Context, *wire.CheckRequest) (*wire.CheckReply, error) {
	return &wire.CheckReply{Error: wire.FromError(x.folder.Replica.Check())}, nil
}

// Look tells what stands at paths.
func (x *session) Look(r *wire.LookRequest, stream grpc.ServerStreamingServer[wire.LookReply]) error {
	if len(r.Paths) > wire.MaxLook {
		return invalid("look at %d paths", len(r.Paths))
	}
	paths := make([]tree.Path, len(r.Paths))
	for i, raw := range r.Paths {
		path, err := wire.ToPath(raw)
		if err != nil {
			return invalid("look: %v", err)
		}
		paths[i] = path
	}
	reply, size := &wire.LookReply{}, 0
	x.looking.Lock() // the other looks wait
	defer x.looking.Unlock()
	for len(paths) > 0 {
		n := min(len(paths), lookAtOnce)
		for _, found := range x.folder.Replica.Look(stream.Context(), paths[:n]) {
			m := &wire.Found{Error: wire.FromError(found.Err)}
			if found.Err == nil {
				m.Entry = wire.FromEntry(found.Entry)
			}
			if size += wire.RoughSize(found.Entry); size > wire.MaxPiece && len(reply.Found) > 0 {
				if err := x.hearing(func() error { return stream.Send(reply) }); err != nil {
					return err
				}
				reply, size = &wire.LookReply{}, wire.RoughSize(found.Entry)
			}
			reply.Found = append(reply.Found, m)
		}
		paths = paths[n:]
	}
	return x.hearing(func() error { return stream.Send(reply) })
}

// hearing calls say, which tells the client something, and ends the session if
// it does not hear that.
func (x *session) hearing(say func() error) error {
	stalled := time.AfterFunc(stallLimit, func() { x.conn.Close() })
	defer stalled.Stop()
	return say()
}

// Count counts what stands at and below a path.
func (x *session) Count(ctx context.Context, r *wire.CountRequest) (*wire.CountReply, error) {
	path, err := wire.ToPath(r.Path)
	if err != nil {
		return nil, invalid("count: %v", err)
	}
	if r.Limit < 0 {
		return nil, invalid("count up to %d", r.Limit)
	}
	n, err := x.folder.Replica.Count(ctx, path, int(r.Limit))
	return &wire.CountReply{Count: int64(n), Error: wire.FromError(err)}, nil
}

// Flush brings everything applied so far to disk.
func (x *session) Flush(ctx context.Context, _ *wire.FlushRequest) (*wire.FlushReply, error) {
	err := x.folder.Replica.Flush(ctx)
	if err == nil {
		_ = x.folder.Index.Flush() // what it forgets is sent once more
	}
	return &wire.FlushReply{Error: wire.FromError(err)}, nil
}
