package main

// Who is on the way to be admitted by a server, and who has to go when they are
// too many.

import (
	"net"
	"sync"
)

// maxStrangers is how many connections may be on their way to be admitted.
const maxStrangers = 32

// strangers are those connections. Where there are too many, one of those from
// the address that has most of them has to go, the one that has taken longest:
// whoever comes to no end keeps nobody else out.
type strangers struct {
	mu  sync.Mutex
	all []net.Conn // in the order of their coming
}

// enter takes a connection in, and closes another one if there are too many.
func (s *strangers) enter(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, conn)
	if len(s.all) <= maxStrangers {
		return
	}
	from := map[string]int{}
	for _, c := range s.all {
		from[host(c)]++
	}
	longest := 0
	for i, c := range s.all {
		if from[host(c)] > from[host(s.all[longest])] {
			longest = i
		}
	}
	s.all[longest].Close()
	s.all = append(s.all[:longest], s.all[longest+1:]...)
}

// leave says that a connection is no stranger any more, or has ended.
func (s *strangers) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.all {
		if c == conn {
			s.all = append(s.all[:i], s.all[i+1:]...)
			return
		}
	}
}

// host is where a connection comes from.
func host(conn net.Conn) string {
	from := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(from); err == nil {
		return host
	}
	return from
}
