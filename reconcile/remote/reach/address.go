// Package reach connects a client to a server: it reads how a replica on
// another machine is written, and reaches it through ssh or TLS.
package reach

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"lockstep/reconcile/remote/identity"
)

// Way is how a server is reached.
type Way uint8

// The ways. SSH starts the server by itself, TLS finds one that listens.
const (
	SSH Way = iota
	TLS
)

// Address is a replica on another machine, as it is written on the command
// line.
type Address struct {
	Way        Way
	User, Host string
	Port       string
	// Folder on the server; "" for TLS, where the server knows.
	Folder string
	// ID of the server, for TLS.
	ID identity.ID
}

// The schemes of URLs.
const (
	schemeSSH = "ssh://"
	schemeTLS = "lockstep://"
)

// Parse reads ssh://[user@]host[:port]/folder, [user@]host:folder and
// lockstep://ID@host:port. remote is false for everything that names a folder
// of this machine: a colon before the first slash means a host, as rsync has
// it. drives says that a letter and a colon are a drive.
func Parse(text string, drives bool) (a Address, remote bool, err error) {
	switch before, _, _ := strings.Cut(text, "/"); {
	case strings.HasPrefix(text, schemeSSH):
		a, err = parseSSH(text)
	case strings.HasPrefix(text, schemeTLS):
		a, err = parseTLS(text)
	case strings.Contains(text, "://"):
		return a, true, errors.New("the scheme is neither ssh:// nor lockstep://")
	case strings.Contains(before, ":") && !drives:
		a.Way = SSH
		a.Host, a.Folder, _ = strings.Cut(text, ":")
		if user, host, found := strings.Cut(a.Host, "@"); found {
			a.User, a.Host = user, host
		}
	default:
		return a, false, nil
	}
	if err == nil {
		err = a.check()
	}
	return a, true, err
}

func parseSSH(text string) (a Address, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return a, errors.New("the URL cannot be read; write ssh://user@host:port/folder")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return a, errors.New("write ? and # as %3F and %23, or user@host:folder")
	}
	a = Address{Way: SSH, Host: u.Hostname(), Port: u.Port(), Folder: u.Path}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return a, errors.New("a password does not belong into an address; ssh has keys and an agent")
		}
		a.User = u.User.Username()
	}
	return a, nil
}

func parseTLS(text string) (a Address, err error) {
	id, place, found := strings.Cut(strings.TrimPrefix(text, schemeTLS), "@")
	if !found {
		return a, errors.New("the server's ID is missing; write lockstep://ID@host:port")
	}
	a.Way = TLS
	if a.ID, err = identity.ParseID(id); err != nil {
		return a, err
	}
	if a.Host, a.Port, err = net.SplitHostPort(strings.TrimSuffix(place, "/")); err != nil || a.Port == "" {
		return a, errors.New("the port is missing; write lockstep://ID@host:port")
	}
	return a, nil
}

// check refuses what ssh would take for a flag, and what means nothing.
func (a Address) check() error {
	switch {
	case a.Host == "":
		return errors.New("the host is missing")
	case strings.HasPrefix(a.Host, "-") || strings.HasPrefix(a.User, "-"):
		return fmt.Errorf("%q is no host", strings.TrimPrefix(a.User+"@"+a.Host, "@"))
	case strings.ContainsAny(a.Host+a.User+a.Port, " \t\r\n\x00"):
		return errors.New("a host and a user hold no spaces")
	case a.Way == SSH && a.Folder == "":
		return errors.New("the folder on the host is missing")
	case strings.ContainsRune(a.Folder, 0):
		return errors.New("the folder holds a NUL byte")
	}
	return nil
}

// String returns a as a log shows it.
func (a Address) String() string {
	if a.Way == TLS {
		return schemeTLS + a.ID.String() + "@" + net.JoinHostPort(a.Host, a.Port)
	}
	host := a.Host
	if a.User != "" {
		host = a.User + "@" + host
	}
	if a.Port == "" {
		return host + ":" + a.Folder
	}
	return schemeSSH + host + ":" + a.Port + a.Folder
}
