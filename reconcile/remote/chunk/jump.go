package chunk

import "github.com/PlakarKorp/go-cdc-chunkers/chunkers/jc"

// A chunk ends where these bits of a hash over the last 64 bytes are zero.
// Where only those of jumpBits are, none is likely to end within the next jump
// bytes, and they are not looked at (Jin et al., "Accelerating Content-Defined
// Chunking for Data Deduplication Based on Speculative Jump", IEEE TPDS 2023).
// There are as many bits as make it normal bytes on average, jumps included.
const (
	cutBits  = 0x8888888888888800
	jumpBits = cutBits & (cutBits - 1)
	jump     = normal / 2
)

// nextCut returns how long the first chunk of data is, which is longer than
// most or ends its range. It cuts where package jc does, whose table it takes,
// and looks at four bytes in the time of two.
func nextCut(data []byte) int {
	if len(data) <= normal {
		return len(data)
	}
	data = data[:min(len(data), most)]
	gear, hash, i := &jc.G, uint64(0), least
	for i < len(data) {
		for i+4 <= len(data) { // hardly ever is one of them of interest
			b := data[i : i+4]
			g1, g2, g3, g4 := gear[b[0]], gear[b[1]], gear[b[2]], gear[b[3]]
			h1, h2 := hash<<1+g1, hash<<2+(g1<<1+g2)
			h3, h4 := h2<<1+g3, h2<<2+(g3<<1+g4)
			if h1&jumpBits == 0 || h2&jumpBits == 0 || h3&jumpBits == 0 || h4&jumpBits == 0 {
				break
			}
			hash, i = h4, i+4
		}
		for end := min(i+4, len(data)); i < end; i++ {
			hash = hash<<1 + gear[data[i]]
			if hash&cutBits == 0 {
				return i
			}
			if hash&jumpBits == 0 {
				hash, i = 0, i+jump
				break
			}
		}
	}
	return min(i, len(data))
}
