// Package tree holds the words of lockstep and the contract between its
// rooms: what a tree has at a path ([Entry]), what is to be done about it
// ([Action]), who is read ([Source]) and who is written ([Replica]).
//
// Nothing here touches a file system or a network. The engine in package
// reconcile speaks only these words, so a replica on this machine, one on
// another machine and one made up by a test are the same to it.
package tree

import (
	"fmt"
	"strings"
)

// Path names an entry below a root: components separated by single slashes,
// raw bytes, no leading or trailing slash. The empty Path is the root itself.
type Path string

// Root is the Path of the root folder.
const Root Path = ""

// MaxName is the longest component in bytes that any supported file system
// takes (NAME_MAX of Linux, limits.h).
const MaxName = 255

// Parent returns the Path of the folder that holds p; the parent of the root
// is the root.
func (p Path) Parent() Path {
	if i := strings.LastIndexByte(string(p), '/'); i >= 0 {
		return p[:i]
	}
	return Root
}

// Name returns the last component of p, "" for the root.
func (p Path) Name() string {
	return string(p[strings.LastIndexByte(string(p), '/')+1:])
}

// Join returns the Path of name in the folder p.
func (p Path) Join(name string) Path {
	if p == Root {
		return Path(name)
	}
	return p + "/" + Path(name)
}

// Holds reports whether q lies below p. No path holds itself.
func (p Path) Holds(q Path) bool {
	if p == Root {
		return q != Root
	}
	return len(q) > len(p) && q[len(p)] == '/' && q[:len(p)] == p
}

// Check returns an error unless p is the root or made of components that can
// stand in a folder: none empty, ".", ".." or longer than [MaxName], none
// with a NUL byte. What comes from outside this process must pass it.
func (p Path) Check() error {
	if p == Root || p.wellFormed() {
		return nil
	}
	for rest := string(p); ; {
		name, tail, more := strings.Cut(rest, "/")
		if err := CheckName(name); err != nil {
			return fmt.Errorf("path %q: %w", string(p), err)
		}
		if !more {
			return nil
		}
		rest = tail
	}
}

// wellFormed is Check in one go over the bytes: every folder of a pass begins
// with it.
func (p Path) wellFormed() bool {
	begin := 0
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			if p[i] == 0 {
				return false
			}
			continue
		}
		switch name := p[begin:i]; {
		case len(name) > MaxName, name == "", name == ".", name == "..":
			return false
		}
		begin = i + 1
	}
	return true
}

// CheckName returns an error unless name can stand as one component of a
// [Path].
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("name %q is no name of an entry", name)
	case len(name) > MaxName:
		return fmt.Errorf("name of %d bytes is longer than %d", len(name), MaxName)
	case strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("name %q holds a slash or a NUL byte", name)
	}
	return nil
}
