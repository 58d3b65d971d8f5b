package local

import (
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

func isFAT(kind uint64) fatKind {
	switch kind {
	case unix.MSDOS_SUPER_MAGIC:
		return fatOfSeconds
	case unix.EXFAT_SUPER_MAGIC:
		return exFAT
	}
	return notFAT
}
