package model_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// operation is one thing that is done to a tree. Its text form, which parse reads, is one line.
type operation struct {
	kind   string
	path   string // below the playground: "tree/..." or "outside/..."
	other  string // a second path, or the text of a symlink
	number int64  // what the kind makes of it: a size, a time, a mode, a seed of content
	began  string // the time when it was carried out, to be found in the log; not parsed
}

func (o operation) String() string {
	return fmt.Sprintf("%s %+q %+q %d %s", o.kind, o.path, o.other, o.number, o.began)
}

// parse reads a list of operations; empty lines are left out.
func parse(text string) ([]operation, error) {
	var list []operation
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var o operation
		if _, err := fmt.Sscanf(line, "%s %q %q %d", &o.kind, &o.path, &o.other, &o.number); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		list = append(list, o)
	}
	return list, nil
}

// The kinds that are no single system call or two.
const (
	flip  = "flip"  // other is the kind of what takes the place of path
	rest  = "rest"  // wait until the trees are equal
	pause = "pause" // let number microseconds pass, so that the mirror meets the tree at another moment
)

// playground is where operations happen: tree is mirrored, or is the replica that is tampered with; outside lies on the same file
// system. Trees are moved between the two.
type playground struct {
	tree, outside string
	pass          func() error // asks the mirror for a pass
}

// on returns where a path of an operation lies.
func (p playground) on(path string) string {
	first, below, _ := strings.Cut(path, "/")
	if first == "outside" {
		return filepath.Join(p.outside, below)
	}
	return filepath.Join(p.tree, below)
}

// do carries o out. An error says that it could not be done, which is no failure: things are drawn at random. A pause ends with ctx.
func (p playground) do(ctx context.Context, o operation) error {
	if o.kind == pause {
		// It paces the operations, which is what is tested, and waits for nothing.
		over := time.NewTimer(time.Duration(o.number) * time.Microsecond)
		defer over.Stop()
		select {
		case <-over.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if o.kind == flip {
		err := os.RemoveAll(p.on(o.path))
		return errors.Join(err, p.do(ctx, operation{kind: o.other, path: o.path, other: "../b", number: o.number}))
	}
	carry, ok := kinds[o.kind]
	if !ok {
		return fmt.Errorf("no operation is called %q", o.kind)
	}
	return carry(p.on(o.path), p, o)
}

// kinds are the operations by name. path is where o.path lies.
var kinds = map[string]func(path string, p playground, o operation) error{
	"pass": func(_ string, p playground, _ operation) error { return p.pass() },
	"create": func(path string, _ playground, o operation) error {
		return put(path, os.O_CREATE|os.O_EXCL, 0, content(o.number))
	},
	"write": func(path string, _ playground, o operation) error { return put(path, os.O_TRUNC, 0, content(o.number)) },
	"append": func(path string, _ playground, o operation) error {
		return put(path, os.O_APPEND, 0, content(o.number))
	},
	"patch": func(path string, _ playground, o operation) error { // same size, and the old time again
		var old unix.Stat_t
		if err := unix.Stat(path, &old); err != nil || old.Size == 0 {
			return errors.Join(err, errors.ErrUnsupported)
		}
		if err := put(path, 0, o.number%old.Size, []byte{byte(o.number)}); err != nil {
			return err
		}
		return setTime(path, unix.TimespecToNsec(old.Mtim))
	},
	"truncate": func(path string, _ playground, o operation) error { return os.Truncate(path, o.number) },
	"map":      func(path string, _ playground, o operation) error { return writeByMap(path, o.number) },
	"save": func(path string, p playground, o operation) error { // as editors do
		aside := p.on(o.other)
		if err := put(aside, os.O_CREATE|os.O_EXCL, 0, content(o.number)); err != nil {
			return err
		}
		return os.Rename(aside, path)
	},
	"rename": func(path string, p playground, o operation) error { return unix.Rename(path, p.on(o.other)) },
	"exchange": func(path string, p playground, o operation) error {
		return unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, p.on(o.other), unix.RENAME_EXCHANGE)
	},
	"link": func(path string, p playground, o operation) error {
		return unix.Linkat(unix.AT_FDCWD, path, unix.AT_FDCWD, p.on(o.other), 0)
	},
	"symlink": func(path string, _ playground, o operation) error { return os.Symlink(o.other, path) },
	"mkdir":   func(path string, _ playground, o operation) error { return grow(path, o.number) },
	"fifo":    func(path string, _ playground, o operation) error { return unix.Mkfifo(path, uint32(o.number)) },
	"socket":  func(path string, _ playground, o operation) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
	"device": func(path string, _ playground, o operation) error {
		return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, uint32(o.number))))
	},
	"mode": func(path string, _ playground, o operation) error {
		return unix.Fchmodat(unix.AT_FDCWD, path, uint32(o.number), unix.AT_SYMLINK_NOFOLLOW)
	},
	"owner": func(path string, _ playground, o operation) error {
		return os.Lchown(path, int(o.number), int(o.number/2))
	},
	"time": func(path string, _ playground, o operation) error { return setTime(path, o.number) },
	"attribute": func(path string, _ playground, o operation) error {
		if o.number == 0 {
			return unix.Lremovexattr(path, o.other)
		}
		return unix.Lsetxattr(path, o.other, fmt.Append(nil, o.number), 0)
	},
	"rules": func(path string, _ playground, o operation) error {
		return unix.Lsetxattr(path, o.other, accessRules(uint32(o.number)), 0)
	},
	"remove": func(path string, _ playground, o operation) error { return os.RemoveAll(path) },
	"shuttle": func(path string, p playground, o operation) error { // to and fro, and one of the two in the end
		from, to := path, p.on(o.other)
		for range 1 + o.number%5 {
			if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
				return err
			}
			from, to = to, from
		}
		return nil
	},
	"replace": func(path string, p playground, o operation) error { // by another one of the same name
		if err := os.Rename(path, p.on(o.other)); err != nil {
			return err
		}
		return grow(path, o.number)
	},
	"unnamed": func(path string, _ playground, o operation) error { // complete before it has its name
		f, err := os.OpenFile(filepath.Dir(path), unix.O_TMPFILE|os.O_WRONLY, 0o640)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(content(o.number)); err != nil {
			return err
		}
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	},
	"copy": func(path string, p playground, o operation) error { return twin(path, p.on(o.other)) },
	"late": func(path string, p playground, o operation) error { // written through a handle, under whatever name
		f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, p.on(o.other), unix.RENAME_NOREPLACE); err != nil {
			return err
		}
		if _, err := f.Write(content(o.number)); err != nil {
			return err
		}
		return f.Truncate(o.number % 100)
	},
}

// twin copies a tree with modes and times, so that each entry looks like the one that it is a copy of.
func twin(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if strings.HasPrefix(to, from+"/") {
			return errors.ErrUnsupported // it would have no end
		}
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		names, err := os.ReadDir(from)
		for _, name := range names {
			err = errors.Join(err, twin(filepath.Join(from, name.Name()), filepath.Join(to, name.Name())))
		}
		if err != nil {
			return err
		}
	case info.Mode().IsRegular():
		text, err := os.ReadFile(from)
		if err == nil {
			err = putSparse(to, text)
		}
		if err != nil {
			return err
		}
	default:
		return errors.ErrUnsupported
	}
	return errors.Join(os.Chmod(to, info.Mode()), setTime(to, info.ModTime().UnixNano()))
}

// put opens an existing file, or one that flags create, and writes text at offset.
func put(path string, flags int, offset int64, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|flags, 0o644)
	if err != nil {
		return err
	}
	if offset == 0 {
		_, err = f.Write(text)
	} else {
		_, err = f.WriteAt(text, offset)
	}
	return errors.Join(err, f.Close())
}

// putSparse writes text to a new file and leaves out pages of zeros: only what was never written is zeros here. The mirror may take
// the twin of a file for the file under another name, and keeps its holes as they are.
func putSparse(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(len(text)))
	at := int64(0)
	for page := range slices.Chunk(text, os.Getpagesize()) {
		if err == nil && len(bytes.Trim(page, "\x00")) > 0 {
			_, err = f.WriteAt(page, at)
		}
		at += int64(len(page))
	}
	return errors.Join(err, f.Close())
}

// content is what a number stands for: mostly short, never the same for two numbers.
func content(number int64) []byte {
	word := fmt.Appendf(nil, "%08d ", number)
	switch number % 16 {
	case 0:
		return nil
	case 1:
		return bytes.Repeat(word, 400_000) // some megabytes: the mirror is at work for a while
	case 2, 3, 4:
		return bytes.Repeat(word, 5000)
	}
	return word
}

// writeByMap changes a byte through shared memory, which raises no event, and then the time, which does.
func writeByMap(path string, number int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return errors.Join(err, errors.ErrUnsupported)
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	memory[number%info.Size()]++
	return errors.Join(unix.Munmap(memory), setTime(path, time.Now().UnixNano()))
}

// setTime sets the modification time, of a symlink itself.
func setTime(path string, ns int64) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(ns)}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
}

// grow makes a tree at path as mkdir -p and unpacking do: a chain of folders with a few things in each.
func grow(path string, number int64) error {
	random := rand.New(rand.NewPCG(uint64(number), 0))
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	for depth := 0; ; depth++ {
		var err error
		for i := range random.IntN(4) {
			file := filepath.Join(path, names[random.IntN(len(names))])
			err = errors.Join(err, os.WriteFile(file, fmt.Append(nil, number, i), 0o644))
			if random.IntN(4) == 0 {
				err = errors.Join(err, os.Link(file, file+"2"))
			}
		}
		path = filepath.Join(path, "d")
		if depth == 4 || random.IntN(3) == 0 {
			return err
		}
		if err := errors.Join(err, os.Mkdir(path, 0o755)); err != nil {
			return err
		}
	}
}

// accessRules is an access control list as the kernel takes it: see posix_acl_xattr.h. It names one more user.
func accessRules(user uint32) []byte {
	const version, none = 2, 0xffffffff
	rules := []uint32{version}
	for _, rule := range [][3]uint32{{0x01, 6, none}, {0x02, 5, user}, {0x04, 4, none}, {0x10, 5, none}, {0x20, 4, none}} {
		rules = append(rules, rule[0]|rule[1]<<16, rule[2])
	}
	var text []byte
	for _, word := range rules {
		text = append(text, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	return text
}
