//go:build !amd64 && !arm64

package at

import "golang.org/x/sys/unix"

func (d *Dir) inMemory() bool { return false }

func (f *File) stat(st *unix.Stat_t) error { return unix.Fstat(f.fd, st) }
