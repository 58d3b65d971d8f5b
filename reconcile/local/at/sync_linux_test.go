package at

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Which file systems one sync does for: those that the system itself keeps on a
// disk, of a system that tells of what went wrong.
func TestSyncsFS(t *testing.T) {
	const told = unix.STATX_ATTR_MOUNT_ROOT
	for _, c := range []struct {
		name   string
		kind   uint64
		device uint32
		told   uint64
		want   bool
	}{
		{"ext4", unix.EXT4_SUPER_MAGIC, 8, told, true},
		{"btrfs", unix.BTRFS_SUPER_MAGIC, 0, told, true},
		{"network", unix.NFS_SUPER_MAGIC, 0, told, true},
		{"before Linux 5.8", unix.EXT4_SUPER_MAGIC, 8, 0, false},
		{"program", unix.FUSE_SUPER_MAGIC, 0, told, false},
		{"program with a device", unix.FUSE_SUPER_MAGIC, 7, told, true},
		{"Windows machine", unix.SMB2_SUPER_MAGIC, 0, told, false},
		{"host of a virtual machine", unix.V9FS_MAGIC, 0, told, false},
		{"folder of another one", unix.ECRYPTFS_SUPER_MAGIC, 0, told, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := unix.Statx_t{Attributes_mask: c.told, Dev_major: c.device}
			if got := syncsFS(c.kind, &st); got != c.want {
				t.Errorf("one sync does for all: %v", got)
			}
		})
	}
	if !open(t, t.TempDir()).SyncsFS() {
		t.Error("no sync does for all here")
	}
}
