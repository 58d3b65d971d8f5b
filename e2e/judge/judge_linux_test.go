package judge_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/e2e/judge"
)

// TestCompareSees changes one property of a replica at a time and wants the judge to name the path.
func TestCompareSees(t *testing.T) {
	tests := []struct {
		name string
		path string // named by the verdict
		do   func(replica string) error
	}{
		{"content of the same size and time", "file", func(r string) error { return keepTime(r+"/file", write("fi1e")) }},
		{"size", "file", func(r string) error { return keepTime(r+"/file", write("longer")) }},
		{"nanosecond of a file", "file", func(r string) error { return touch(r+"/file", 1) }},
		{"nanosecond of a folder", "folder", func(r string) error { return touch(r+"/folder", 1) }},
		{"nanosecond of a symlink", "link", func(r string) error { return touch(r+"/link", 1) }},
		{"nanosecond of the root", ".", func(r string) error { return touch(r, 1) }},
		{"mode", "file", func(r string) error { return os.Chmod(r+"/file", 0o604) }},
		{"link text", "link", func(r string) error { return relink(r+"/link", "nowherf") }},
		{"kind", "fifo", func(r string) error { return keepTime(r, func(string) error { return flip(r + "/fifo") }) }},
		{"missing", "folder/below", func(r string) error { return keepTime(r+"/folder", remove("below")) }},
		{"additional", "folder/more", func(r string) error { return keepTime(r+"/folder", add("more")) }},
		{"broken hard link", "file", func(r string) error { return keepTime(r, unlink("twin", "file")) }},
		{"attribute", "file", func(r string) error { return unix.Lsetxattr(r+"/file", "user.word", []byte("other"), 0) }},
		{"filled hole", "sparse", func(r string) error { return keepTime(r+"/sparse", write(strings.Repeat("\x00", 1<<20))) }},
		{"socket", "socket", func(r string) error { return keepTime(r, socket) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			source, replica := pair(t)
			if differences, err := judge.Compare(t.Context(), source, replica); err != nil || len(differences) != 0 {
				t.Fatalf("before: %v, %v", differences, err)
			}
			if err := test.do(replica); err != nil {
				t.Fatal(err)
			}
			differences, err := judge.Compare(t.Context(), source, replica)
			if err != nil {
				t.Fatal(err)
			}
			if len(differences) == 0 || !strings.Contains(differences[0], `"`+test.path+`"`) {
				t.Errorf("want a difference at %q, got %q", test.path, differences)
			}
		})
	}
}

// TestCompareLeavesSocketsOut keeps a socket of the source from counting as missing, whatever its name.
func TestCompareLeavesSocketsOut(t *testing.T) {
	source, replica := pair(t)
	if err := keepTime(source, socket); err != nil {
		t.Fatal(err)
	}
	if err := keepTime(source, func(string) error { return os.Rename(source+"/socket", source+"/a [*]\n\\") }); err != nil {
		t.Fatal(err)
	}
	differences, err := judge.Compare(t.Context(), source, replica)
	if err != nil || len(differences) != 0 {
		t.Errorf("got %q, %v", differences, err)
	}
}

// pair makes a folder with one entry of each kind, and a copy of it that is not made by the product.
func pair(t *testing.T) (source, replica string) {
	t.Helper()
	source, replica = filepath.Join(t.TempDir(), "source"), filepath.Join(t.TempDir(), "replica")
	steps := []error{
		os.MkdirAll(source+"/folder", 0o755),
		os.WriteFile(source+"/folder/below", []byte("below"), 0o644),
		os.WriteFile(source+"/file", []byte("file"), 0o644),
		os.Link(source+"/file", source+"/twin"),
		os.Symlink("nowhere", source+"/link"),
		unix.Mkfifo(source+"/fifo", 0o644),
		os.WriteFile(source+"/sparse", nil, 0o644),
		os.Truncate(source+"/sparse", 1<<20),
		unix.Lsetxattr(source+"/file", "user.word", []byte("value"), 0),
	}
	for _, err := range steps {
		if errors.Is(err, unix.ENOTSUP) {
			t.Skipf("%s holds no extended attributes", source)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.Command("cp", "-a", "--sparse=always", source, replica).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, output)
	}
	return source, replica
}

// keepTime runs do on path and puts its modification time back.
func keepTime(path string, do func(path string) error) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := do(path); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, info.ModTime())
}

func write(text string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o644) }
}

func remove(name string) func(string) error {
	return func(folder string) error { return os.Remove(filepath.Join(folder, name)) }
}

func add(name string) func(string) error {
	return func(folder string) error { return os.WriteFile(filepath.Join(folder, name), nil, 0o644) }
}

// touch moves the modification time of path by some nanoseconds, of a symlink itself.
func touch(path string, by int64) error {
	var status unix.Stat_t
	if err := unix.Lstat(path, &status); err != nil {
		return err
	}
	moved := unix.NsecToTimespec(unix.TimespecToNsec(status.Mtim) + by)
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, moved}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
}

// relink makes the symlink at path point elsewhere without another change.
func relink(path, text string) error {
	var status, folder unix.Stat_t
	if err := unix.Lstat(path, &status); err != nil {
		return err
	}
	if err := unix.Lstat(filepath.Dir(path), &folder); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := os.Symlink(text, path); err != nil {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, status.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return os.Chtimes(filepath.Dir(path), time.Time{}, time.Unix(0, unix.TimespecToNsec(folder.Mtim)))
}

// flip puts a file where a fifo was.
func flip(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}

// unlink makes name, which shared the inode of other, a file of its own.
func unlink(name, other string) func(string) error {
	return func(folder string) error {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			return err
		}
		return exec.Command("cp", "-a", filepath.Join(folder, other), filepath.Join(folder, name)).Run()
	}
}

// socket binds a socket in folder, by a short way because the name of a socket may not be long.
func socket(folder string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	handle, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer handle.Close()
	return unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/socket", handle.Fd())})
}
