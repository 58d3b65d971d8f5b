//go:build !amd64

package blake3

func wide() bool { return false }

// What follows is never called.

func chunks16(out *group, in *[groupBytes]byte, p *plan, first uint32) {}
func chunks8(out *group, in *[groupBytes]byte, p *plan, first uint32)  {}
func parents16(out, first, second *group, flags uint32)                {}
func parents8(out, children *group, flags uint32)                      {}
