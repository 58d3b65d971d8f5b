package model_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// names are what things in the tree are called: few, so that the same places are met again and again.
var names = []string{"a", "b", "c", "d", "e", "-x y", "\xff\n\"", ".lockstep.tmp-0123456789abcdef", strings.Repeat("n", 255)}

// mutator draws operations. What it draws depends on the seed and on what it finds in the tree, so that the same seed does the same
// to a tree that nobody else changes.
type mutator struct {
	*rand.Rand
	playground
	done    []operation
	took    int               // operations that were carried out, of those that were drawn
	settled map[string]uint64 // what the mirror knows of for certain: path and inode
}

func newMutator(seed uint64, p playground) *mutator {
	return &mutator{Rand: rand.New(rand.NewPCG(seed, 1)), playground: p}
}

// step draws an operation and carries it out.
func (m *mutator) step(ctx context.Context) {
	m.carry(ctx, m.draw())
}

func (m *mutator) carry(ctx context.Context, o operation) {
	o.began = time.Now().UTC().Format("15:04:05.000000")
	m.done = append(m.done, o)
	if m.do(ctx, o) != nil {
		return
	}
	m.took++
	if !slices.Contains(edits, o.kind) {
		return
	}
	// Something was edited through a name that the mirror may never get to see, if it goes before its turn comes. Nothing tells of
	// its other names then, so they are touched.
	path := o.path
	if o.kind == "late" { // by then it has its new name
		path = o.other
	}
	inode, names := m.inode(path)
	if names > 1 && m.settled[path] != inode {
		all, _, _ := m.entries("tree")
		for _, name := range all {
			if other, _ := m.inode(name); other == inode && name != path {
				m.done = append(m.done, operation{kind: "time", path: name, number: int64(len(m.done))})
				m.do(ctx, m.done[len(m.done)-1])
			}
		}
	}
}

// edits are the kinds that change something through one of its names.
var edits = []string{"write", "append", "patch", "truncate", "map", "mode", "owner", "time", "attribute", "rules", "late"}

// rested notes that the mirror has seen all that there is.
func (m *mutator) rested() {
	m.done = append(m.done, operation{kind: rest})
	m.settled = map[string]uint64{}
	all, _, _ := m.entries("tree")
	for _, path := range all {
		m.settled[path], _ = m.inode(path)
	}
}

// inode returns the inode number of what is no folder and how many names it has; zeroes if there is none.
func (m *mutator) inode(path string) (number, names uint64) {
	var status unix.Stat_t
	if unix.Lstat(m.on(path), &status) != nil || status.Mode&unix.S_IFMT == unix.S_IFDIR {
		return 0, 0
	}
	return status.Ino, uint64(status.Nlink)
}

// crowd is how many things the tree may hold before something large goes.
const crowd = 250

// drawn are the kinds with how often they are drawn.
var drawn = []struct {
	kind  string
	times int
}{
	{"create", 8}, {"write", 8}, {"append", 4}, {"patch", 3}, {"truncate", 2}, {"map", 2}, {"save", 6}, {"rename", 12}, {"exchange", 5},
	{"link", 5}, {"symlink", 3}, {"mkdir", 7}, {"fifo", 1}, {"socket", 1}, {"device", 1}, {"mode", 4}, {"owner", 2}, {"time", 3},
	{"attribute", 3}, {"rules", 1}, {"remove", 5}, {flip, 5}, {"out", 4}, {"in", 5}, {"beside", 2}, {pause, 8}, {"pass", 1},
	{"shuttle", 4}, {"replace", 4}, {"unnamed", 3}, {"copy", 4}, {"late", 3},
}

func (m *mutator) draw() operation {
	all, folders, files := m.entries("tree")
	o := operation{kind: m.kind(), number: m.Int64N(1 << 30)}
	if len(all) > crowd {
		o.kind = "out"
	}
	switch o.kind {
	case pause:
		o.number = int64(1) << m.IntN(15) // up to 16 ms
	case "write", "append", "patch", "map":
		o.path = m.one(files)
	case "truncate":
		o.path, o.number = m.one(files), []int64{0, 3, 5000, 1 << 21}[m.IntN(4)]
	case "save":
		o.path, o.other = m.place(folders), filepath.Join(m.one(folders), ".new")
	case "rename":
		o.path, o.other = m.one(all), m.place(folders)
	case "exchange":
		o.path, o.other = m.one(all), m.one(all)
	case "link", "shuttle", "copy":
		o.path, o.other = m.one(all), m.place(folders)
	case "late":
		o.path, o.other = m.one(files), m.place(folders)
	case "replace":
		o.path, o.other = m.one(folders), m.place(folders)
	case "symlink":
		o.path, o.other = m.place(folders), []string{"a", "..", "/no/where", "b/no such\xff", "../../outside"}[m.IntN(5)]
	case flip:
		o.path, o.other = m.one(all), []string{"create", "mkdir", "symlink", "fifo", "device"}[m.IntN(5)]
	case "mode":
		o.path, o.number = m.one(all), []int64{0o755, 0o644, 0o600, 0o4755, 0o3777, 0}[m.IntN(6)]
	case "owner":
		o.path, o.number = m.one(all), m.Int64N(3)
	case "time":
		o.path, o.number = m.one(all), m.Int64N(1<<62)-1<<60
	case "attribute":
		o.path, o.other, o.number = m.one(all), []string{"user.a", "user.b", "trusted.c"}[m.IntN(3)], m.Int64N(3)
	case "rules":
		o.path, o.other = m.one(all), "system.posix_acl_access"
	case "remove":
		o.path = m.one(all)
	default:
		return m.drawMove(o, all, folders)
	}
	return o
}

// drawMove draws what makes things, moves them out of the tree and back, or changes them while they are outside.
func (m *mutator) drawMove(o operation, all, folders []string) operation {
	switch o.kind {
	case "out":
		o.kind, o.path, o.other = "rename", m.one(all), fmt.Sprintf("outside/%d", m.IntN(30))
	case "in":
		_, outside, _ := m.entries("outside")
		o.kind, o.path, o.other = "rename", m.one(outside), m.place(folders)
	case "beside":
		_, outside, _ := m.entries("outside")
		o.kind, o.path = "mkdir", m.place(outside)
	default:
		o.path = m.place(folders)
	}
	return o
}

// kind draws one of drawn.
func (m *mutator) kind() string {
	all := 0
	for _, d := range drawn {
		all += d.times
	}
	at := m.IntN(all)
	for _, d := range drawn {
		if at -= d.times; at < 0 {
			return d.kind
		}
	}
	return pause
}

// one draws one of paths; "tree/none" if there is none.
func (m *mutator) one(paths []string) string {
	if len(paths) == 0 {
		return "tree/none"
	}
	return paths[m.IntN(len(paths))]
}

// place draws a name in one of folders, with something there or not.
func (m *mutator) place(folders []string) string {
	return filepath.Join(m.one(folders), names[m.IntN(len(names))])
}

// entries lists what lies in tree or outside, sorted: everything below, the folders with the first one, and the files.
func (m *mutator) entries(first string) (all, folders, files []string) {
	root := m.on(first)
	// What vanishes meanwhile, when the mirror works in the same tree, is left out.
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		path = first + strings.TrimPrefix(path, root)
		if path != first {
			all = append(all, path)
		}
		if d.IsDir() {
			folders = append(folders, path)
		}
		if d.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	return all, folders, files
}
