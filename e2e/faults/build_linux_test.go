//go:build amd64 || arm64

package faults_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// builder makes entries below a root, all with one time of modification.
type builder struct {
	t    *testing.T
	root string
	time time.Time
}

// The times of what was there before and of what is new.
var (
	before = time.Unix(1_500_000_000, 123_456_789)
	after  = time.Unix(1_600_000_000, 987_654_321)
)

const (
	small = 3000    // bytes that fit into one write
	large = 3 << 20 // bytes that go over in several blocks
)

func (b builder) path(name string) string { return filepath.Join(b.root, name) }

// file makes a file of so many bytes that depend on its name and time only.
func (b builder) file(name string, size int) {
	b.t.Helper()
	seed := [32]byte{byte(b.time.Unix()), byte(b.time.Unix() >> 8), byte(b.time.Unix() >> 16), byte(len(name))}
	copy(seed[4:], name)
	content := make([]byte, size)
	// It never fails.
	_, _ = rand.NewChaCha8(seed).Read(content)
	must(b.t, os.WriteFile(b.path(name), content, 0o640))
	b.stamp(name)
}

// replace is file for one that is complete before it is seen.
func (b builder) replace(name string, size int) {
	b.t.Helper()
	aside := builder{b.t, filepath.Dir(b.root), b.time}
	aside.file("aside", size)
	must(b.t, os.Rename(aside.path("aside"), b.path(name)))
}

func (b builder) folder(name string) {
	b.t.Helper()
	must(b.t, os.Mkdir(b.path(name), 0o750))
}

func (b builder) symlink(name, text string) {
	b.t.Helper()
	must(b.t, os.Symlink(text, b.path(name)))
	b.stamp(name)
}

func (b builder) link(old, name string) {
	b.t.Helper()
	must(b.t, os.Link(b.path(old), b.path(name)))
}

func (b builder) fifo(name string) {
	b.t.Helper()
	must(b.t, unix.Mkfifo(b.path(name), 0o600))
	b.stamp(name)
}

func (b builder) xattr(name, value string) {
	b.t.Helper()
	must(b.t, unix.Lsetxattr(b.path(name), "user.colour", []byte(value), 0))
}

func (b builder) stamp(name string) {
	b.t.Helper()
	at := unix.NsecToTimespec(b.time.UnixNano())
	must(b.t, unix.UtimesNanoAt(unix.AT_FDCWD, b.path(name), []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
}
