package blake3

import "golang.org/x/sys/cpu"

// wide reports whether this machine does 16 compressions side by side.
func wide() bool { return cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL }

// chunks16 makes the chaining values of 16 chunks as p says; first is added to the
// number of each.
//
//go:noescape
func chunks16(out *group, in *[groupBytes]byte, p *plan, first uint32)

// chunks8 makes only the first eight of them, in half the time.
//
//go:noescape
func chunks8(out *group, in *[groupBytes]byte, p *plan, first uint32)

// parents16 makes the chaining values of the parents of 32 nodes. out may be
// one of the two groups.
//
//go:noescape
func parents16(out, first, second *group, flags uint32)

// parents8 makes those of the parents of 16 nodes, in half the time.
//
//go:noescape
func parents8(out, children *group, flags uint32)
