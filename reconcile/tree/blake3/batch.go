package blake3

import (
	"encoding/binary"

	narrow "github.com/zeebo/blake3"
)

// Longest is the longest content that a [Batch] takes. One by one, longer ones
// are hashed about as fast.
const Longest = 32 << 10

// How many chunks a [Batch] has room for: so many that it matters little when
// the last of their groups is not full.
const (
	batchGroups = 4
	batchChunks = batchGroups * lanes
)

// Batch hashes short contents side by side: most files are short, and a single
// chunk takes as long as 16. The zero Batch is ready for use.
type Batch struct {
	// in has the chunks of all contents, one content after the other: the n-th
	// has those from first[n] to first[n+1]. plans are about them, and nodes
	// their chaining values.
	in            [batchGroups * groupBytes]byte
	plans         [batchGroups]plan
	count, chunks int
	sums          [batchChunks][32]byte // made by Take already where there is no AVX-512

	first   [batchChunks + 1]int
	lengths [batchChunks]int
	nodes   [batchGroups]group
}

// tooFew is of how many chunks each content is sooner hashed by itself.
const tooFew = 2

// Room returns room for a content of n bytes, of up to [Longest]; nil when what
// was taken has to be summed up first.
func (b *Batch) Room(n int) []byte {
	if b.chunks+chunksOf(n) > batchChunks {
		return nil
	}
	start := b.chunks * chunkBytes
	return b.in[start : start+n]
}

func chunksOf(n int) int { return max(1, (n+chunkBytes-1)/chunkBytes) }

// Take takes the content of n bytes that [Batch.Room] was filled with.
func (b *Batch) Take(n int) {
	first, chunks := b.chunks, chunksOf(n)
	b.lengths[b.count] = n
	if wide() {
		for number := range chunks {
			b.plan(first+number, number, min(chunkBytes, n-number*chunkBytes))
		}
		if chunks == 1 {
			b.plans[first/lanes].flags[max(0, n-1)/blockBytes][first%lanes] |= flagRoot
		}
	} else {
		start := first * chunkBytes
		b.sums[b.count] = narrow.Sum256(b.in[start : start+n])
	}
	b.count++
	b.chunks += chunks
	b.first[b.count] = b.chunks
}

// plan plans a chunk of so many bytes, or that of an empty content.
func (b *Batch) plan(chunk, number, bytes int) {
	p, lane := &b.plans[chunk/lanes], chunk%lanes
	if lane == 0 {
		*p = whole
	}
	p.numbers[lane] = uint32(number)
	if bytes == chunkBytes {
		return
	}
	blocks := max(1, (bytes+blockBytes-1)/blockBytes)
	start := chunk * chunkBytes
	clear(b.in[start+bytes : start+blocks*blockBytes])
	p.lengths[blocks-1][lane] = uint32(bytes - (blocks-1)*blockBytes)
	p.flags[blocks-1][lane] |= flagEnd
	for block := blocks; block < chunkBlocks; block++ {
		p.active[block] &^= 1 << lane
	}
}

// Sum hashes what was taken and returns the hashes in their order, which are
// there until the next Take.
func (b *Batch) Sum() [][32]byte {
	switch {
	case !wide():
	case b.chunks <= tooFew:
		for n := range b.count {
			start := b.first[n] * chunkBytes
			b.sums[n] = Sum256(b.in[start : start+b.lengths[n]])
		}
	default:
		b.hash()
	}
	sums := b.sums[:b.count]
	b.count, b.chunks = 0, 0
	return sums
}

func (b *Batch) hash() {
	for g := 0; g*lanes < b.chunks; g++ {
		p, used := &b.plans[g], min(lanes, b.chunks-g*lanes)
		for block := range p.active {
			p.active[block] &= 1<<used - 1
		}
		chunks := chunks16
		if used <= lanes/2 {
			chunks = chunks8
		}
		chunks(&b.nodes[g], (*[groupBytes]byte)(b.in[g*groupBytes:]), p, 0)
	}
	b.join()
	for n := range b.count {
		root, lane := b.node(b.first[n])
		for word := range root {
			binary.LittleEndian.PutUint32(b.sums[n][4*word:], root[word][lane])
		}
	}
}

// join makes one node of those of each content: one level of all contents after
// the other, and roots when there are enough, for nothing comes above them.
func (b *Batch) join() {
	var left [batchChunks]int // nodes of each content
	for n := range b.count {
		left[n] = b.first[n+1] - b.first[n]
	}
	inner, roots := pairs{b: b, flags: flagParent}, pairs{b: b, flags: flagParent | flagRoot}
	for more := true; more; {
		more = false
		for n, count := range left[:b.count] {
			first := b.first[n]
			if count == 2 {
				roots.add(first, first)
			}
			if count > 2 {
				more = true
				for pair := range count / 2 {
					inner.add(first+2*pair, first+pair)
				}
				if count%2 == 1 { // the last goes up as it is
					b.move(first+count-1, first+count/2)
				}
			}
			left[n] = (count + 1) / 2
		}
		inner.join()
	}
	roots.join()
}

func (b *Batch) move(from, to int) {
	source, sourceLane := b.node(from)
	target, targetLane := b.node(to)
	for word := range source {
		target[word][targetLane] = source[word][sourceLane]
	}
}

// node returns where the i-th node is.
func (b *Batch) node(i int) (g *group, lane uint) { return &b.nodes[i/lanes], uint(i) % lanes }

// pairs are nodes of which two each get a parent, all of one kind.
type pairs struct {
	b     *Batch
	flags uint32

	children group
	count    int
	of       [lanes / 2]int // where the parent goes
}

// add takes the node at left and the one after it, which can be written to from
// now on.
func (p *pairs) add(left, to int) {
	lefts, leftLane := p.b.node(left)
	rights, rightLane := p.b.node(left + 1)
	place := uint(2*p.count) % lanes
	for word := range lefts {
		p.children[word][place] = lefts[word][leftLane]
		p.children[word][place+1] = rights[word][rightLane]
	}
	p.of[p.count] = to
	if p.count++; p.count == len(p.of) {
		p.join()
	}
}

// join puts the parents in their place.
func (p *pairs) join() {
	if p.count == 0 {
		return
	}
	parents8(&p.children, &p.children, p.flags)
	for n, to := range p.of[:p.count] {
		target, lane := p.b.node(to)
		for word := range target {
			target[word][lane] = p.children[word][n]
		}
	}
	p.count = 0
}
