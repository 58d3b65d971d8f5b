package local

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"sync"

	"lockstep/reconcile/tree"
)

// The names of temps: as long as any file system takes, and never made from
// the name that they will get, which may have no room for more.
const (
	tempPrefix = ".lockstep-"
	tempLength = len(tempPrefix) + 16
)

// temps are the names under which entries are being made right now. Only they
// are overlooked by comparisons; a temp of a process that died is an entry
// like any other and removed as such. Safe for concurrent use.
type temps struct {
	mu    sync.Mutex
	names map[string]tree.ID // of the file that was made; zero while it is not known
}

// name returns a new name, alive until it is dropped.
func (t *temps) name() string {
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], rand.Uint64())
	buf := make([]byte, 0, tempLength)
	name := string(hex.AppendEncode(append(buf, tempPrefix...), raw[:]))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = map[string]tree.ID{}
	}
	t.names[name] = tree.ID{}
	return name
}

// identify says which file was made under name.
func (t *temps) identify(name string, id tree.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names[name] = id
}

// identity returns what identify was told.
func (t *temps) identity(name string) tree.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[name]
}

// drop ends the life of name.
func (t *temps) drop(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.names, name)
}

// alive reports whether name is a temp at work.
func (t *temps) alive(name string) bool {
	if len(name) != tempLength || !strings.HasPrefix(name, tempPrefix) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.names[name]
	return ok
}
