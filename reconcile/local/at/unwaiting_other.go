//go:build darwin || (linux && !amd64 && !arm64)

package at

import "golang.org/x/sys/unix"

func (d *Dir) fileSystem() fileSystem { return elsewhere }

func (f *File) stat(st *unix.Stat_t) error                 { return unix.Fstat(f.fd, st) }
func (f *File) release(fd int) error                       { return unix.Close(fd) }
func (f *File) pread(p []byte, offset int64) (int, error)  { return unix.Pread(f.fd, p, offset) }
func (f *File) pwrite(p []byte, offset int64) (int, error) { return unix.Pwrite(f.fd, p, offset) }
