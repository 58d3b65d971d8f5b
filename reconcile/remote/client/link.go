package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// How much may be under way towards the client.
const (
	streamWindow = 4 << 20
	linkWindow   = 8 << 20
	// ioSize is how much is handed to the system at once.
	ioSize = 256 << 10
)

// callsAtOnce is how many calls that may take their time are under way: of all
// that there may be, some are left for surveys, and to ask how the server is.
const callsAtOnce = wire.MaxCalls - 4

// largeAtOnce is how many batches with a content of largeContent bytes or more are
// under way: of all that there may be, some are left for small ones, however many
// huge files there are.
const (
	largeAtOnce  = wire.MaxBatches - 2
	largeContent = 16 << 20
)

// link is one connection to a server that has greeted.
type link struct {
	net.Conn
	conn  net.Conn
	calls *grpc.ClientConn
	tree  wire.TreeClient
	// alien: another folder is behind it than at the start.
	alien bool
	// near: bytes cost less than packing them.
	near atomic.Bool
	// calling has an element for each call that may take its time.
	calling chan struct{}
	// large has one for each batch that is large.
	large chan struct{}

	given chan struct{}
	once  sync.Once
	gone  chan struct{} // closed when the connection is

	mu  sync.Mutex
	why error
}

func newLink(conn net.Conn) (*link, error) {
	l := &link{
		Conn: conn, conn: conn, given: make(chan struct{}, 1), gone: make(chan struct{}),
		calling: make(chan struct{}, callsAtOnce), large: make(chan struct{}, largeAtOnce),
	}
	l.given <- struct{}{}
	calls, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return l.give() }),
		// The connection is what it is: TLS, ssh or a pipe.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: wire.PingAfter, Timeout: wire.PingWait, PermitWithoutStream: true}),
		grpc.WithWriteBufferSize(ioSize), grpc.WithReadBufferSize(ioSize),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(linkWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage),
			grpc.ForceCodecV2(wire.NewCodec())),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithIdleTimeout(0), grpc.WithUserAgent("lockstep"),
	)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l.calls, l.tree = calls, wire.NewTreeClient(calls)
	calls.Connect() // reads from now on, and so notices an end
	return l, nil
}

// give hands the connection over once; there is no other to try.
func (l *link) give() (net.Conn, error) {
	select {
	case <-l.given:
		return l, nil
	default:
		return nil, errors.New("the connection is gone")
	}
}

// Read notes what ends the connection.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.conn.Read(p)
	if err != nil {
		if err == io.EOF {
			err = fmt.Errorf("the server has gone: %w", err)
		}
		l.note(err)
	}
	return n, err
}

// Write notes what ends the connection.
func (l *link) Write(p []byte) (int, error) {
	n, err := l.conn.Write(p)
	if err != nil {
		l.note(err)
	}
	return n, err
}

// Close is called by the transport when it gives the connection up.
func (l *link) Close() error {
	err := l.conn.Close()
	l.note(errors.New("no ping was answered"))
	l.once.Do(func() { close(l.gone) })
	return err
}

// close ends the connection and every call.
func (l *link) close(cause error) {
	l.note(cause)
	l.conn.Close()
	l.once.Do(func() { close(l.gone) })
	l.calls.Close()
}

// enter waits until a call may begin that may take its time. After it, the caller
// calls leave when the call has ended.
func (l *link) enter(ctx context.Context) error { return l.join(ctx, l.calling) }

func (l *link) leave() { <-l.calling }

// join waits for a place among others.
func (l *link) join(ctx context.Context, others chan<- struct{}) error {
	select {
	case others <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.gone:
		return l.cause()
	}
}

// nearRoundTrip is the longest round trip to a server on the same machine; a
// tunnel that only begins there takes longer.
const nearRoundTrip = time.Millisecond

// nearTries is how often that is tried: a busy machine may take its time.
const nearTries = 16

// measure finds out whether the server is on this machine.
func (l *link) measure(ctx context.Context) {
	here, ok := l.conn.LocalAddr().(*net.TCPAddr)
	there, alsoOK := l.conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !alsoOK || !here.IP.Equal(there.IP) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for range nearTries { // the first one waits for the connection to be set up
		began := time.Now()
		if _, err := l.tree.Check(ctx, &wire.CheckRequest{}); err != nil {
			return
		}
		if time.Since(began) < nearRoundTrip {
			l.near.Store(true)
			return
		}
	}
}

func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = err
	}
}

func (l *link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// failed says what a call that went wrong means for its caller.
func (l *link) failed(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var refusal *protocolError
	if errors.As(err, &refusal) {
		l.close(err)
		return fmt.Errorf("%w: %w", tree.ErrUnreachable, err)
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.Internal, codes.Unimplemented:
		select {
		case <-l.gone:
		default:
			return errors.New("the server refuses: " + wire.Clean(status.Convert(err).Message()))
		}
	}
	if cause := l.cause(); cause != nil {
		return fmt.Errorf("%w: %w", tree.ErrUnreachable, cause)
	}
	return fmt.Errorf("%w: %s", tree.ErrUnreachable, wire.Clean(err.Error()))
}

// protocolError: the server said what no server of ours would say. Nothing
// else that it says is believed.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return "the server does not keep to the protocol: " + e.text }

// errSilent: an answer says nothing. There might be no end of them.
var errSilent = lies("an answer says nothing")

func lies(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}
