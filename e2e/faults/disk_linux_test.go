//go:build amd64 || arm64

package faults_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// disk is a file system of its own, in a file.
type disk struct {
	t            *testing.T
	image, point string
}

// diskKinds are the file systems on which power is lost and processes die. They differ in what they bring to disk, and not in what the
// race detector finds.
func diskKinds() []string {
	if rig.Race {
		return []string{"ext4"}
	}
	return []string{"ext4", "xfs"}
}

// newDisk makes a file system of a kind and a size and mounts it.
func newDisk(t *testing.T, kind string, size int64) *disk {
	t.Helper()
	folder := t.TempDir()
	d := &disk{t, filepath.Join(folder, "image"), filepath.Join(folder, "disk")}
	must(t, os.WriteFile(d.image, nil, 0o600))
	must(t, os.Truncate(d.image, size))
	must(t, os.Mkdir(d.point, 0o755))
	run(t, "mkfs."+kind, "-q", d.image)
	d.mount()
	t.Cleanup(func() { _ = unix.Unmount(d.point, unix.MNT_DETACH) }) // fails when it is unmounted, as wanted
	return d
}

func (d *disk) mount() {
	d.t.Helper()
	run(d.t, "mount", "-o", "loop", d.image, d.point)
}

// unmount waits until nobody uses the disk any more.
func (d *disk) unmount() {
	d.t.Helper()
	must(d.t, rig.Await(rig.Patience, func() error { return unix.Unmount(d.point, 0) }))
}

// folder makes a new folder on the disk.
func (d *disk) folder() string {
	d.t.Helper()
	folder, err := os.MkdirTemp(d.point, "scene")
	must(d.t, err)
	return folder
}

// scene returns a scene with its replica on the disk.
func (d *disk) scene() *scene {
	d.t.Helper()
	s := newScene(d.t)
	s.replica = filepath.Join(d.point, "replica")
	must(d.t, os.Mkdir(s.replica, 0o755))
	return s
}

// Shutting a file system down: EXT4_IOC_SHUTDOWN of fs/ext4/ext4.h and XFS_IOC_GOINGDOWN of xfs_fs.h, which are one number, and the
// flags of both.
const (
	shutdownRequest = 0x8004587d
	// namesFirst writes the log, and so what files are called, but not what is in them: the worst moment there can be.
	namesFirst = 1
	// asIs leaves the log as it is on disk.
	asIs = 2
)

// cutPower lets nothing get to the disk from now on that is not there yet, but for what how says.
func (d *disk) cutPower(how int) {
	d.t.Helper()
	fd, err := unix.Open(d.point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(d.t, err)
	defer unix.Close(fd)
	must(d.t, unix.IoctlSetPointerInt(fd, shutdownRequest, how))
}

// freeze lets everything wait that would write.
func (d *disk) freeze() { d.control(freezeRequest) }
func (d *disk) thaw()   { d.control(thawRequest) }

// FIFREEZE and FITHAW of linux/fs.h.
const (
	freezeRequest = 0xc0045877
	thawRequest   = 0xc0045878
)

func (d *disk) control(request uint) {
	d.t.Helper()
	fd, err := unix.Open(d.point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(d.t, err)
	defer unix.Close(fd)
	must(d.t, unix.IoctlSetInt(fd, request, 0))
}

// memoryDisk mounts a file system in memory with options, and returns a scene with its replica there.
func memoryDisk(t *testing.T, options string) *scene {
	t.Helper()
	s := newScene(t)
	must(t, unix.Mount("lockstep-faults", s.replica, "tmpfs", 0, options))
	t.Cleanup(func() { _ = unix.Unmount(s.replica, unix.MNT_DETACH) })
	return s
}

// run runs a program to its end.
func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, arguments...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skipf("%s is not installed", name)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w\n%s", name, err, output))
	}
}
