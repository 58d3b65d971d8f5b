package reach

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"lockstep/reconcile/remote/wire"
)

// endWithin is how long a child may take to end once it hears nothing more,
// and reasonWithin how long its last words are waited for.
const (
	endWithin    = 2 * time.Second
	reasonWithin = time.Second
)

// child is a connection to a process that was started for it.
type child struct {
	net.Conn
	command *exec.Cmd
	noise   tail
	ended   chan struct{}
	result  error // set when ended is closed
	once    sync.Once
}

// Close ends the connection, and the process with all that it has started.
func (c *child) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		go func() { // ends with the child, or soon after
			select {
			case <-c.ended:
			case <-time.After(endWithin):
				endGroup(c.command)
				<-c.ended
			}
		}()
	})
	return err
}

// Reason says how the process ended and what it said last, once the connection
// is closed. One that goes on is ended: this program may end before Close does
// that.
func (c *child) Reason() error {
	select {
	case <-c.ended:
	case <-time.After(reasonWithin):
	}
	said := c.noise.String()
	select {
	case <-c.ended:
		if c.result != nil && said != "" {
			return fmt.Errorf("%s: %w, it said %s", c.name(), c.result, wire.Clean(said))
		}
		if c.result != nil {
			return fmt.Errorf("%s: %w", c.name(), c.result)
		}
	default:
		endGroup(c.command)
	}
	if said != "" {
		return fmt.Errorf("%s said %s", c.name(), wire.Clean(said))
	}
	return nil
}

func (c *child) name() string { return c.command.Args[0] }

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const maxTail = 512

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - maxTail; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// stdio is a connection made of two files.
type stdio struct{ in, out *os.File }

// Stdio makes a connection of what is read and what is written. Deadlines hold
// where the system has them for such files.
func Stdio(in, out *os.File) net.Conn { return &stdio{in, out} }

func (s *stdio) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *stdio) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *stdio) Close() error { return errors.Join(s.in.Close(), s.out.Close()) }

func (s *stdio) LocalAddr() net.Addr  { return address("stdio") }
func (s *stdio) RemoteAddr() net.Addr { return address("stdio") }

func (s *stdio) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *stdio) SetReadDeadline(t time.Time) error  { return lenient(s.in.SetReadDeadline(t)) }
func (s *stdio) SetWriteDeadline(t time.Time) error { return lenient(s.out.SetWriteDeadline(t)) }

func lenient(err error) error {
	if errors.Is(err, os.ErrNoDeadline) {
		return nil
	}
	return err
}

// address names a connection that has none.
type address string

func (a address) Network() string { return string(a) }
func (a address) String() string  { return string(a) }
