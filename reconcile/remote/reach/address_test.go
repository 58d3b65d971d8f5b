package reach

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"lockstep/reconcile/remote/identity"
)

func TestParse(t *testing.T) {
	id := strings.Repeat("a", 51) + "a"
	pinned, err := identity.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Address{
		"host:folder":               {Host: "host", Folder: "folder"},
		"me@host:/a b/c:d":          {User: "me", Host: "host", Folder: "/a b/c:d"},
		"ssh://host/folder":         {Host: "host", Folder: "/folder"},
		"ssh://me@host:2222/a%20b":  {User: "me", Host: "host", Port: "2222", Folder: "/a b"},
		"ssh://me@[::1]:2222/x":     {User: "me", Host: "::1", Port: "2222", Folder: "/x"},
		"lockstep://" + id + "@h:1": {Way: TLS, Host: "h", Port: "1", ID: pinned},
	} {
		got, remote, err := Parse(text, false)
		if err != nil || !remote || got != want {
			t.Errorf("%q: %+v, %v, %v", text, got, remote, err)
		}
	}
	for _, text := range []string{"folder", "/a:b", "./a:b", "../x", "a/b:c", "."} {
		if _, remote, err := Parse(text, false); remote || err != nil {
			t.Errorf("%q: %v, %v", text, remote, err)
		}
	}
	if _, remote, _ := Parse(`C:\x`, true); remote {
		t.Error("a drive is a host")
	}
}

// TestHostsThatAreFlags (X18): nothing that ssh or a shell would understand
// otherwise gets on a command line.
func TestHostsThatAreFlags(t *testing.T) {
	for _, text := range []string{
		"-oProxyCommand=touch x:folder", "-F/x@host:folder", "me@-oProxyCommand=x:folder", "ssh://-oProxyCommand=x/folder",
		"ssh://-l@host/x", ":folder", "host:", "@host:x y\x00", "ho st:x", "ssh://host", "ssh://me:secret@host/x", "ssh://host/x?y", "ftp://host/x",
		"lockstep://host:1", "lockstep://abc@host:1", "ssh:///x", "ssh://host:bad/x",
	} {
		if a, remote, err := Parse(text, false); err == nil && remote {
			t.Errorf("%q: %+v", text, a)
		}
	}
	a, _, err := Parse("me@host:$(touch x); 'y'", false)
	if err != nil {
		t.Fatal(err)
	}
	words := a.arguments(Options{})
	if strings.Contains(strings.Join(words, " "), "touch") {
		t.Errorf("the folder is on the command line: %q", words)
	}
	if i := slices.Index(words, "--"); i < 0 || words[i+1] != "me@host" || !slices.Contains(words, "BatchMode=yes") {
		t.Errorf("%q", words)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"me@host:folder", "ssh://me@host:22/x", "lockstep://abc@host:1", "a/b:c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, remote, err := Parse(text, false)
		if err != nil || !remote {
			return
		}
		if strings.HasPrefix(a.Host, "-") || strings.HasPrefix(a.User, "-") || a.Host == "" {
			t.Fatalf("%q: %+v", text, a)
		}
	})
}

// TestChild (X19): a child is ended and waited for, and its last words are
// bounded and quoted.
func TestChild(t *testing.T) {
	command := exec.Command("sh", "-c", `i=0; while [ $i -lt 2000 ]; do echo "noise $i" >&2; i=$((i+1)); done; printf '\033[31mlast words\n' >&2; exit 3`)
	ownGroup(command)
	conn, err := start(command)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
	c := conn.(*child)
	<-c.ended
	reason := c.Reason()
	if reason == nil || len(reason.Error()) > 2000 || strings.ContainsRune(reason.Error(), 0x1b) || !strings.Contains(reason.Error(), "exit status 3") {
		t.Errorf("%v", reason)
	}
	conn.Close()

	// One that ignores its end is killed with all that it has started, each of
	// which holds its standard error, so that it has not ended before.
	command = exec.Command("sh", "-c", `trap "" TERM HUP; sleep 1000 & wait`)
	ownGroup(command)
	if conn, err = start(command); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	select {
	case <-conn.(*child).ended:
	case <-time.After(10 * time.Second):
		t.Error("the child lives on")
	}
	if _, err := (Address{Host: "h", Folder: "f"}).Dialer(Options{SSH: []string{"/nowhere/ssh"}})(context.Background()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
