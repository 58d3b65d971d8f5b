package watcher

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mount mounts a fresh tmpfs at the folder, and unmounts it at the latest when the test ends.
func mount(t *testing.T, folder string) {
	t.Helper()
	must(t, unix.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
}

func needMounts(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	must(t, unix.Unmount(folder, 0))
}

func TestRootUnmounted(t *testing.T) {
	needMounts(t)
	t.Parallel()
	root := t.TempDir()
	mount(t, root)
	grow(t, root, "a/b/")
	s := watch(t, root, nil)
	s.settle()
	must(t, retryBusy(func() error { return unix.Unmount(root, 0) })) // the watcher does not keep it busy
	s.wait("lost", func() bool { return s.count(RootLost) == 1 && s.rescanned(RootReturned) })
	s.write("under")
	s.waitDirty("under")
	mount(t, root)
	s.wait("lost again", func() bool { return s.count(RootLost) == 2 })
}

// retryBusy repeats call while a look of the watcher, which takes microseconds, holds the mount.
func retryBusy(call func() error) error {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); ; <-again.C {
		if err := call(); err != unix.EBUSY || time.Now().After(deadline) {
			return err
		}
	}
}

// Scenarios: E13.
func TestRootMountedOver(t *testing.T) {
	needMounts(t)
	t.Parallel()
	root := t.TempDir()
	grow(t, root, "a/")
	s := watch(t, root, nil)
	mount(t, root)
	s.wait("lost", func() bool { return s.count(RootLost) == 1 && s.rescanned(RootReturned) })
	s.write("over")
	s.waitDirty("over")
	s.forget()
	must(t, retryBusy(func() error { return unix.Unmount(root, 0) }))
	s.wait("back", func() bool { return s.count(RootLost) == 1 && s.rescanned(RootReturned) })
	s.write("a/f")
	s.waitDirty("a/f")
}

func TestMountBelow(t *testing.T) {
	needMounts(t)
	t.Parallel()
	root := t.TempDir()
	grow(t, root, "m/under/", "n/")
	mount(t, filepath.Join(root, "m"))
	grow(t, root, "m/top/")
	s := watch(t, root, nil)
	s.write("m/top/f")
	s.waitDirty("m/top/f")
	s.settle()
	must(t, retryBusy(func() error { return unix.Unmount(s.path("m"), 0) })) // no event
	s.waitDirty("m", "m/under")
	s.write("m/under/f")
	s.waitDirty("m/under/f")
	s.forget()
	mount(t, s.path("n")) // no event either
	s.waitDirty("n")
	s.write("n/f")
	s.waitDirty("n/f")
}

// One folder at two places can have one watch only; the other place is polled.
func TestBindMount(t *testing.T) {
	needMounts(t)
	t.Parallel()
	root := t.TempDir()
	grow(t, root, "a/sub/", "b/")
	must(t, unix.Mount(filepath.Join(root, "a"), filepath.Join(root, "b"), "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount(filepath.Join(root, "b"), unix.MNT_DETACH) })
	s := watch(t, root, nil)
	if c := s.w.Coverage(); c.Watched != 3 || c.Polled != 2 {
		t.Errorf("%+v, want 3 watched and 2 polled", c)
	}
	s.write("a/sub/f")
	s.waitDirty("a/sub/f", "b/sub/f")
}

// A path longer than the system takes is polled.
func TestLongPath(t *testing.T) {
	root := t.TempDir()
	at, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer func() { unix.Close(at) }()
	name, path := string(make200()), ""
	down := func() {
		must(t, unix.Mkdirat(at, name, 0o755))
		next, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		unix.Close(at)
		at, path = next, join(path, name)
	}
	for range 60 {
		down()
	}
	s := watch(t, root, nil)
	if c := s.w.Coverage(); c.Watched+c.Polled != 61 || c.Polled < 30 || c.Blind != 0 || s.count(Unwatchable) != 1 {
		t.Errorf("%+v, told %d times; want 61 folders, the deep ones polled", c, s.count(Unwatchable))
	}
	fd, err := unix.Openat(at, "f", unix.O_CREAT|unix.O_WRONLY, 0o644)
	must(t, err)
	unix.Close(fd)
	s.waitDirty(path + "/f")
	down()
	s.waitDirty(path)
	s.wait("the new folder", func() bool { c := s.w.Coverage(); return c.Watched+c.Polled == 62 })
}

func make200() []byte {
	name := make([]byte, 200)
	for i := range name {
		name[i] = 'd'
	}
	return name
}

func TestRemoteNames(t *testing.T) {
	for folder, want := range map[string]string{"/proc": "proc", "/sys": "sysfs", t.TempDir(): ""} {
		f, err := os.Open(folder)
		must(t, err)
		if got := remoteName(int(f.Fd())); got != want {
			t.Errorf("%s: %q, want %q", folder, got, want)
		}
		f.Close()
	}
}

func TestRemedy(t *testing.T) {
	for need, want := range map[int]string{
		1:       "sudo sysctl fs.inotify.max_user_watches=524288",
		500_000: "sudo sysctl fs.inotify.max_user_watches=1048576",
		900_000: "sudo sysctl fs.inotify.max_user_watches=2097152",
	} {
		if got := watchRemedy(need); got != want {
			t.Errorf("%d: %q, want %q", need, got, want)
		}
	}
}
