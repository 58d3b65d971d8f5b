package remote_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// noticeWithin is how long a link may be dead before it is told.
const noticeWithin = 45 * time.Second

// silent is a way to a server that may fall silent: nothing gets through any
// more, and nobody hears of it.
type silent struct {
	address string
	dead    atomic.Bool
}

func newSilent(t *testing.T, to string) *silent {
	t.Helper()
	s := &silent{}
	s.address = between(t, to, func(to, from net.Conn, _ bool) { s.relay(to, from) })
	return s
}

// between stands between a server and its clients, which come to the address
// that is returned: relay passes on what goes one of both ways, and ends when
// a connection does.
func between(t *testing.T, server string, relay func(to, from net.Conn, fromClient bool)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var relays sync.WaitGroup
	t.Cleanup(relays.Wait)
	t.Cleanup(func() { l.Close() })
	relays.Go(func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", server)
			if err != nil {
				here.Close()
				continue
			}
			t.Cleanup(func() { here.Close(); there.Close() })
			relays.Go(func() { relay(there, here, true) })
			relays.Go(func() { relay(here, there, false) })
		}
	})
	return l.Addr().String()
}

// relay passes on what comes until the way is dead; what comes then is lost.
func (s *silent) relay(to, from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if s.dead.Load() && err == nil {
			continue
		}
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			if !s.dead.Load() {
				to.Close()
			}
			return
		}
	}
}

// onTerminal gives the process a terminal and returns what it shows there.
func onTerminal(t *testing.T, client *side, arguments ...string) (*rig.Process, func() string) {
	t.Helper()
	master, tty, err := openTerminal()
	if err != nil {
		t.Skip("no terminal here: ", err)
	}
	log := filepath.Join(client.home, "terminal.log")
	// rig gathers the output; the shell puts the terminal in its place.
	words := append([]string{"-c", `exec "$0" "$@" >` + tty.Name() + ` 2>&1 <` + tty.Name(), binary, "--log-file", log}, arguments...)
	command := rig.Command(false, "sh", words...)
	command.Env = []string{"HOME=" + client.home, "PATH=" + os.Getenv("PATH"), "TERM=xterm"}
	p, err := rig.Start(command, log)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var shown strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() { // ends with the last handle of the terminal
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			shown.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		p.Kill()
		tty.Close()
		reading.Wait()
		master.Close()
	})
	return p, func() string {
		mu.Lock()
		defer mu.Unlock()
		return shown.String()
	}
}

// openTerminal returns both ends of a new terminal: pts(4).
func openTerminal() (master, tty *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd, number := int(master.Fd()), 0
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120})
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, tty, nil
}

var stateWords = regexp.MustCompile(`(equal|replica out of reach)[^\r\n]{0,60}? watched`)

// lastState returns how the state line began when it was last drawn.
func lastState(shown string) string {
	all := stateWords.FindAllStringSubmatch(shown, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

// TestIdleOnDeadLink (X2): nothing happens in the source, and the way to the
// server falls silent. That is noticed in time and told once; the state line
// does not go on to say that both sides are equal; and when the way is open
// again the mirror goes on by itself.
func TestIdleOnDeadLink(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as pings do")
	}
	t.Parallel()
	server, client := newSide(t), newSide(t)
	source, replica := sample(t), filepath.Join(t.TempDir(), "replica")
	address := "127.0.0.1:" + freePort(t)
	_, url := served(t, server, replica, address, client)
	way := newSilent(t, address)
	p, shown := onTerminal(t, client, "--interval", "1h", source, strings.Replace(url, address, way.address, 1))
	if err := p.Ready(); err != nil {
		t.Fatalf("%v\n%s", err, shown())
	}
	state := func(want string, within time.Duration) {
		t.Helper()
		if err := rig.Await(within, func() error {
			if have := lastState(shown()); have != want {
				return fmt.Errorf("the state line says %q, not %q", have, want)
			}
			return nil
		}); err != nil {
			t.Fatalf("%v\n%s", err, shown())
		}
	}
	state("equal", rig.Patience)
	way.dead.Store(true)
	state("replica out of reach", noticeWithin)
	awaitClass(t, p, "replica_lost")
	write(t, filepath.Join(source, "while", "silent"), "x")
	way.dead.Store(false)
	awaitClass(t, p, "replica_found")
	equal(t, source, replica)
	state("equal", rig.Patience)
	if n := count(t, p, "replica_lost"); n != 1 {
		t.Errorf("the loss was told %d times", n)
	}
}
