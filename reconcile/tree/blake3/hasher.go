package blake3

import (
	"encoding/binary"

	narrow "github.com/zeebo/blake3"
)

// Sizes that BLAKE3 gives (BLAKE3 specification, section 2), and how many
// chunks are hashed side by side at most.
const (
	blockBytes  = 64
	chunkBytes  = 1024
	chunkBlocks = chunkBytes / blockBytes
	lanes       = 16
	groupBytes  = lanes * chunkBytes
)

// Flags of a compression (section 2.2).
const (
	flagStart  = 1 << 0
	flagEnd    = 1 << 1
	flagParent = 1 << 2
	flagRoot   = 1 << 3
)

// group is the chaining values of 16 nodes: for each of their words that of all
// of them.
type group [8][lanes]uint32

// plan says of 16 chunks how long each block is and which flags it has, in which
// of the chunks it is there at all, and what the number of each chunk is, counted
// from the first. A block that no chunk has is the end. The assembly knows this
// order.
type plan struct {
	lengths, flags [chunkBlocks][lanes]uint32
	active         [chunkBlocks]uint16 // a bit for each chunk
	numbers        [lanes]uint32
}

// whole is the plan for 16 chunks that are full.
var whole = func() (p plan) {
	for block := range chunkBlocks {
		p.active[block] = 1<<lanes - 1
		for lane := range lanes {
			p.lengths[block][lane] = blockBytes
		}
	}
	for lane := range lanes {
		p.flags[0][lane], p.flags[chunkBlocks-1][lane] = flagStart, flagEnd
		p.numbers[lane] = uint32(lane)
	}
	return p
}()

// hasher is a [Hasher] where there is AVX-512.
type hasher struct {
	// groups are the nodes of the lowest level so far, full of them, and rest
	// is the content after those, held bytes.
	groups [Most / groupBytes]group
	full   int
	rest   [groupBytes]byte
	held   int

	last plan // for rest
}

func (h *hasher) Reset() { h.full, h.held = 0, 0 }

func (h *hasher) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if h.held == 0 && len(p) >= groupBytes {
			h.add((*[groupBytes]byte)(p))
			p = p[groupBytes:]
			continue
		}
		taken := copy(h.rest[h.held:], p)
		if h.held += taken; h.held == groupBytes {
			h.add(&h.rest)
			h.held = 0
		}
		p = p[taken:]
	}
	return n, nil
}

func (h *hasher) Sum(to []byte) []byte {
	sum := h.root()
	return append(to, sum[:]...)
}

func (h *hasher) add(content *[groupBytes]byte) {
	chunks16(&h.groups[h.full], content, &whole, uint32(h.full*lanes))
	h.full++
}

// addRest adds what is no full group, and returns how many chunks that is.
func (h *hasher) addRest() int {
	count := (h.held + chunkBytes - 1) / chunkBytes
	last := count - 1
	length := h.held - last*chunkBytes
	blocks := (length + blockBytes - 1) / blockBytes
	clear(h.rest[h.held : last*chunkBytes+blocks*blockBytes])

	h.last = whole
	h.last.lengths[blocks-1][last] = uint32(length - (blocks-1)*blockBytes)
	h.last.flags[blocks-1][last] |= flagEnd
	for block := blocks; block < chunkBlocks; block++ {
		h.last.active[block] &^= 1 << last
	}
	chunks := chunks16
	if count <= lanes/2 {
		chunks = chunks8
	}
	chunks(&h.groups[h.full], &h.rest, &h.last, uint32(h.full*lanes))
	return count
}

// root returns the hash of all. Of each level, the nodes take the place of their
// children, and the last of an odd number goes up as it is.
func (h *hasher) root() (sum [32]byte) {
	if h.full == 0 && h.held <= few {
		return narrow.Sum256(h.rest[:h.held])
	}
	nodes := h.full * lanes
	if h.held > 0 {
		nodes += h.addRest()
	}
	for ; nodes > 2; nodes = (nodes + 1) / 2 {
		pairs, last := nodes/2, h.node(nodes-1)
		h.join(pairs)
		if nodes%2 == 1 {
			for word, value := range last {
				h.groups[pairs/lanes][word][pairs%lanes] = value
			}
		}
	}
	parents8(&h.groups[0], &h.groups[0], flagParent|flagRoot)
	for word, value := range h.node(0) {
		binary.LittleEndian.PutUint32(sum[4*word:], value)
	}
	return sum
}

// join puts the parents of all pairs of nodes in their place.
func (h *hasher) join(pairs int) {
	if pairs <= lanes/2 {
		parents8(&h.groups[0], &h.groups[0], flagParent)
		return
	}
	for g := 0; g*lanes < pairs; g++ {
		parents16(&h.groups[g], &h.groups[2*g], &h.groups[2*g+1], flagParent)
	}
}

// node returns the chaining value of a node.
func (h *hasher) node(i int) (cv [8]uint32) {
	for word := range cv {
		cv[word] = h.groups[i/lanes][word][i%lanes]
	}
	return cv
}
