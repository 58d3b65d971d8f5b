package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fileCommands make entries.
var fileCommands = map[string]command{
	"random":     {"PATH SIZE SEED", random},
	"sparse":     {"PATH SIZE OFFSET TEXT", sparse},
	"rawfile":    {"NAME TEXT", rawFile},
	"poke":       {"PATH OFFSET TEXT", poke},
	"deep":       {"FOLDER DEPTH", deep},
	"touchns":    {"PATH SECONDS.NANOS", touch},
	"setxattr":   {"PATH NAME VALUE", func(s *scene, a []string) error { return unix.Lsetxattr(s.MkAbs(a[0]), a[1], []byte(a[2]), 0) }},
	"setfacl":    {"ARG...", func(s *scene, a []string) error { return run0(s, append([]string{"setfacl"}, a...)) }},
	"hardlink":   {"OLD NEW", func(s *scene, a []string) error { return os.Link(s.MkAbs(a[0]), s.MkAbs(a[1])) }},
	"rename":     {"OLD NEW", func(s *scene, a []string) error { return unix.Rename(s.MkAbs(a[0]), s.MkAbs(a[1])) }},
	"exchange":   {"ONE OTHER", exchange},
	"rename-all": {"FOLDER OLD NEW TIMES", renameAll},
	"map":        {"PATH OFFSET TEXT", writeByMap},
	"mkfifo":     {"PATH", func(s *scene, a []string) error { return unix.Mkfifo(s.MkAbs(a[0]), 0o644) }},
	"mknod":      {"PATH MAJOR MINOR", makeDevice},
	"mksocket":   {"PATH", func(s *scene, a []string) error { return unix.Mknod(s.MkAbs(a[0]), unix.S_IFSOCK|0o644, 0) }},
}

// renameAll renames what is called OLD and something to NEW and the same, one a millisecond, and all back again, so many times.
func renameAll(s *scene, arguments []string) error {
	folder, prefixes := s.MkAbs(arguments[0]), arguments[1:3]
	times, err := numbers(arguments[3])
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(folder, prefixes[0]+"*"))
	if err != nil {
		return err
	}
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for turn := range 2 * times[0] {
		from, to := prefixes[turn%2], prefixes[1-turn%2]
		for _, name := range names {
			<-pace.C
			rest := strings.TrimPrefix(filepath.Base(name), prefixes[0])
			if err := unix.Rename(filepath.Join(folder, from+rest), filepath.Join(folder, to+rest)); err != nil {
				return err
			}
		}
	}
	return nil
}

// numbers parses whole numbers.
func numbers(words ...string) ([]int64, error) {
	var found []int64
	for _, word := range words {
		number, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		found = append(found, number)
	}
	return found, nil
}

func random(s *scene, arguments []string) error {
	given, err := numbers(arguments[1:]...)
	if err != nil {
		return err
	}
	f, err := os.Create(s.MkAbs(arguments[0]))
	if err != nil {
		return err
	}
	seed := [32]byte{byte(given[1]), byte(given[1] >> 8)}
	_, err = io.CopyN(f, rand.NewChaCha8(seed), given[0])
	return errors.Join(err, f.Close())
}

func sparse(s *scene, arguments []string) error {
	given, err := numbers(arguments[1:3]...)
	if err != nil {
		return err
	}
	f, err := os.Create(s.MkAbs(arguments[0]))
	if err != nil {
		return err
	}
	_, written := f.WriteAt([]byte(arguments[3]), given[1])
	return errors.Join(f.Truncate(given[0]), written, f.Close())
}

func rawFile(s *scene, arguments []string) error {
	name, err := strconv.Unquote(`"` + arguments[0] + `"`)
	if err != nil {
		return err
	}
	text, err := strconv.Unquote(`"` + arguments[1] + `"`)
	if err != nil {
		return err
	}
	return os.WriteFile(s.MkAbs(name), []byte(text), 0o644)
}

func poke(s *scene, arguments []string) error {
	given, err := numbers(arguments[1])
	if err != nil {
		return err
	}
	path := s.MkAbs(arguments[0])
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(arguments[2]), given[0])
	return errors.Join(err, f.Close(), os.Chtimes(path, time.Time{}, info.ModTime()))
}

// deep makes folders by their handles, because the path of the last one is longer than a path may be.
func deep(s *scene, arguments []string) error {
	depth, err := numbers(arguments[1])
	if err != nil {
		return err
	}
	at, err := unix.Open(s.MkAbs(arguments[0]), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for level := range depth[0] {
		if err != nil {
			break
		}
		name := fmt.Sprintf("folder-%04d", level)
		err = unix.Mkdirat(at, name, 0o755)
		next := -1
		if err == nil {
			next, err = unix.Openat(at, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		unix.Close(at)
		at = next
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	fd, err := unix.Openat(at, "bottom", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "bottom")
	_, err = f.WriteString("bottom")
	return errors.Join(err, f.Close())
}

func touch(s *scene, arguments []string) error {
	seconds, nanos, _ := strings.Cut(arguments[1], ".")
	given, err := numbers(seconds, nanos)
	if err != nil {
		return err
	}
	modified, err := unix.TimeToTimespec(time.Unix(given[0], given[1]))
	if err != nil {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, modified}
	return unix.UtimesNanoAt(unix.AT_FDCWD, s.MkAbs(arguments[0]), times, unix.AT_SYMLINK_NOFOLLOW)
}

func makeDevice(s *scene, arguments []string) error {
	given, err := numbers(arguments[1:]...)
	if err != nil {
		return err
	}
	device := unix.Mkdev(uint32(given[0]), uint32(given[1]))
	return unix.Mknod(s.MkAbs(arguments[0]), unix.S_IFCHR|0o644, int(device))
}

// probe reports whether do works on a fresh path below folder.
func probe(folder string, do func(path string) error) bool {
	fresh, err := os.MkdirTemp(folder, "probe")
	if err != nil {
		return false
	}
	defer os.RemoveAll(fresh)
	path := filepath.Join(fresh, "entry")
	return os.WriteFile(path, nil, 0o644) == nil && do(path) == nil
}

// exchange lets two names change places.
func exchange(s *scene, arguments []string) error {
	return unix.Renameat2(unix.AT_FDCWD, s.MkAbs(arguments[0]), unix.AT_FDCWD, s.MkAbs(arguments[1]), unix.RENAME_EXCHANGE)
}

// writeByMap overwrites bytes through shared memory, which raises no event.
func writeByMap(s *scene, arguments []string) error {
	offset, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.MkAbs(arguments[0]), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	memory, err := unix.Mmap(int(f.Fd()), 0, offset+len(arguments[2]), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(memory[offset:], arguments[2])
	return errors.Join(unix.Msync(memory, unix.MS_SYNC), unix.Munmap(memory))
}
