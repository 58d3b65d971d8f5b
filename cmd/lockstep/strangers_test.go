package main

import (
	"net"
	"testing"
	"time"
)

// knocking is a connection from a place.
type knocking struct {
	net.Conn
	from   net.TCPAddr
	closed bool
}

func (k *knocking) RemoteAddr() net.Addr { return &k.from }

func (k *knocking) Close() error {
	k.closed = true
	return nil
}

// TestStrangers (X11): one place does not keep the others out, however many
// connections it makes, and there are never more than a few.
func TestStrangers(t *testing.T) {
	s := &strangers{}
	var all []*knocking
	from := func(last byte) *knocking {
		k := &knocking{from: net.TCPAddr{IP: net.IPv4(10, 0, 0, last), Port: len(all)}}
		all = append(all, k)
		s.enter(k)
		return k
	}
	for range maxStrangers {
		from(1)
	}
	client := from(2)
	if !all[0].closed || client.closed {
		t.Errorf("closed: the first one %v, the one from elsewhere %v", all[0].closed, client.closed)
	}
	for range 3 * maxStrangers {
		from(1)
	}
	open := 0
	for _, k := range all {
		if !k.closed {
			open++
		}
	}
	if client.closed || open != maxStrangers {
		t.Errorf("closed: the one from elsewhere %v; %d are open", client.closed, open)
	}
	s.leave(client)
	from(1)
	if last := all[len(all)-1]; len(s.all) != maxStrangers || last.closed {
		t.Errorf("%d are there, the last one closed %v", len(s.all), last.closed)
	}
}

// TestRation: of many notices some are told, and then how many were not.
func TestRation(t *testing.T) {
	r, now, told := &ration{}, time.Now(), 0
	for range 1000 {
		if ok, untold := r.take(now); ok {
			told++
		} else if untold != 0 {
			t.Fatal("what is not told has a number")
		}
	}
	if told != rationOf {
		t.Errorf("%d were told", told)
	}
	if ok, untold := r.take(now.Add(rationFor)); !ok || untold != 1000-rationOf {
		t.Errorf("later: %v, %d", ok, untold)
	}
	if ok, untold := r.take(now.Add(rationFor)); !ok || untold != 0 {
		t.Errorf("again: %v, %d", ok, untold)
	}
}

// TestToldToBeConfined (X29): what anybody can say is not believed.
func TestToldToBeConfined(t *testing.T) {
	t.Setenv(confinedVariable, "yes")
	if err := confined(t.TempDir(), ""); err == nil {
		t.Error("this process is taken for a confined one")
	}
}
