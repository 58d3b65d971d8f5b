package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// medium is a file system, and where its blocks lie.
type medium string

const (
	tmpfs      medium = "tmpfs"
	ext4Memory medium = "ext4 with a journal, on a loop device in memory"
	xfsMemory  medium = "xfs, which can clone, on a loop device in memory"
	ext4Disk   medium = "ext4 with a journal, on a loop device whose image is a file on a disk"
)

// warm reports whether content is always in memory.
func (m medium) warm() bool { return m == tmpfs }

// imageSize is the size of an image, of which only what is used takes room.
const imageSize = "14G"

// disk is a file system that was made for this run.
type disk struct {
	medium medium
	path   string // where it is mounted
	image  string // "" where there is none
}

// newDisk makes and mounts a file system.
func (l *lab) newDisk(ctx context.Context, m medium) (*disk, error) {
	l.disks++
	d := &disk{medium: m, path: filepath.Join(l.scratch, fmt.Sprintf("disk-%d", l.disks))}
	if err := os.Mkdir(d.path, 0o755); err != nil {
		return nil, err
	}
	switch m {
	case tmpfs:
	case ext4Disk:
		d.image = filepath.Join(l.onDisk, filepath.Base(d.path))
	default:
		d.image = filepath.Join(l.inMemory, filepath.Base(d.path))
	}
	if err := d.make(ctx); err != nil {
		d.drop()
		return nil, err
	}
	l.mounted = append(l.mounted, d)
	return d, nil
}

func (d *disk) make(ctx context.Context) error {
	if d.medium == tmpfs {
		return silently(ctx, "mount", "-t", "tmpfs", "-o", "size=90%,nr_inodes=0", "tmpfs", d.path)
	}
	if err := silently(ctx, "truncate", "-s", imageSize, d.image); err != nil {
		return err
	}
	format := []string{"mkfs.ext4", "-q", "-F", "-N", "3000000", "-E", "lazy_itable_init=1,nodiscard", d.image}
	if d.medium == xfsMemory {
		format = []string{"mkfs.xfs", "-q", "-f", d.image}
	}
	if err := silently(ctx, format...); err != nil {
		return err
	}
	// Without noinit_itable a thread of the kernel would write inode tables while others are timed.
	mount := []string{"mount", "-o", "loop,noinit_itable", d.image, d.path}
	if d.medium == xfsMemory {
		mount[2] = "loop"
	}
	return silently(ctx, mount...)
}

// drop unmounts the file system and frees what it took.
func (d *disk) drop() error {
	err := syscall.Unmount(d.path, 0)
	if err == nil || err == syscall.EINVAL { // EINVAL: not mounted
		err = os.RemoveAll(d.path)
	}
	if d.image != "" {
		os.Remove(d.image)
	}
	if err != nil {
		return fmt.Errorf("unmount %q: %w", d.path, err)
	}
	return nil
}

// silently runs a command that has nothing to say if it succeeds.
func silently(ctx context.Context, command ...string) error {
	output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
