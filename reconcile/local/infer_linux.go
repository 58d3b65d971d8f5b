package local

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// nativeTypes are file systems that keep modes, though some of their folders
// may fold names (statfs(2)).
var nativeTypes = []uint64{
	unix.EXT4_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.BTRFS_SUPER_MAGIC,
	unix.OVERLAYFS_SUPER_MAGIC, bcacheFS, zfs,
}

// Numbers that linux/magic.h lacks; each stands in the source of its file
// system.
const (
	bcacheFS = 0xca451a4e
	zfs      = 0x2fc12fc1
)

func isFUSE(kind uint64) bool { return kind == unix.FUSE_SUPER_MAGIC }

func hasModes(kind uint64) bool { return slices.Contains(nativeTypes, kind) }

// timesOf returns the bounds of [tree.Traits] where the type of the file system
// says them. Inodes of ext4 without room for nanoseconds have none for the
// years after 2038 either (fs/ext4/ext4.h).
func timesOf(kind uint64, step int64) (earliest, latest int64) {
	switch {
	case kind != unix.EXT4_SUPER_MAGIC:
		return 0, 0
	case step < 1e9:
		return math.MinInt32, 1<<34 - 1 + math.MinInt32
	}
	return math.MinInt32, math.MaxInt32
}

func isFAT(kind uint64) fatKind {
	switch kind {
	case unix.MSDOS_SUPER_MAGIC:
		return fatOfSeconds
	case unix.EXFAT_SUPER_MAGIC:
		return exFAT
	}
	return notFAT
}
