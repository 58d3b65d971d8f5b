package blake3

import (
	"encoding/binary"

	narrow "github.com/zeebo/blake3"
)

// Longest is the longest content that a [Batch] takes, so that three of them go
// side by side at least: more are hashed as fast one after the other.
const Longest = lanes / 3 * chunkBytes

// Batch hashes short contents side by side: most files are short, and a single
// one takes as long as 16. The zero Batch is ready for use.
type Batch struct {
	count int
	sums  [lanes][32]byte // made by Add already where there is no AVX-512

	// in has the chunks of all contents, of which the n-th has those from
	// first[n] to first[n+1]; plan is about them.
	in      [groupBytes]byte
	plan    plan
	first   [lanes + 1]int
	lengths [lanes]int
}

// tooFew is of how many contents each is sooner hashed by itself.
const tooFew = 2

// Add takes a content of up to [Longest] bytes, a copy of it. It takes nothing,
// and returns false, when it has to be summed up first.
func (b *Batch) Add(content []byte) bool {
	if b.count == lanes {
		return false
	}
	if !wide() {
		b.sums[b.count] = narrow.Sum256(content)
		b.count++
		return true
	}
	lane := b.first[b.count]
	chunks := max(1, (len(content)+chunkBytes-1)/chunkBytes)
	if lane+chunks > lanes {
		return false
	}
	if lane == 0 {
		b.plan = whole
		clear(b.plan.active[:])
	}
	copy(b.in[lane*chunkBytes:], content)
	for number := range chunks {
		b.chunk(lane+number, number, min(chunkBytes, len(content)-number*chunkBytes))
	}
	if chunks == 1 {
		b.plan.flags[max(0, len(content)-1)/blockBytes][lane] |= flagRoot
	}
	b.lengths[b.count] = len(content)
	b.count++
	b.first[b.count] = lane + chunks
	return true
}

// chunk plans the chunk in a lane, which has some bytes or is that of an empty
// content.
func (b *Batch) chunk(lane, number, bytes int) {
	blocks := max(1, (bytes+blockBytes-1)/blockBytes)
	start := lane * chunkBytes
	clear(b.in[start+bytes : start+blocks*blockBytes])
	p := &b.plan
	p.numbers[lane] = uint32(number)
	p.lengths[blocks-1][lane] = uint32(bytes - (blocks-1)*blockBytes)
	p.flags[blocks-1][lane] |= flagEnd
	for block := range blocks {
		p.active[block] |= 1 << lane
	}
}

// Sum hashes what was added and returns the hashes in their order, which are
// there until the next Add.
func (b *Batch) Sum() [][32]byte {
	count := b.count
	b.count = 0
	switch {
	case !wide():
	case count > tooFew:
		b.hash(count)
	default:
		for n := range count {
			start := b.first[n] * chunkBytes
			b.sums[n] = Sum256(b.in[start : start+b.lengths[n]])
		}
	}
	return b.sums[:count]
}

func (b *Batch) hash(count int) {
	var out group
	chunks := chunks16
	if b.first[count] <= lanes/2 {
		chunks = chunks8
	}
	chunks(&out, &b.in, &b.plan, 0)
	var nodes [lanes][8]uint32
	for lane := range b.first[count] {
		for word := range nodes[lane] {
			nodes[lane][word] = out[word][lane]
		}
	}
	var left [lanes]int // nodes of each content
	for n := range count {
		left[n] = b.first[n+1] - b.first[n]
	}
	for b.join(&nodes, left[:count]) {
	}
	for n := range count {
		for word, value := range nodes[b.first[n]] {
			binary.LittleEndian.PutUint32(b.sums[n][4*word:], value)
		}
	}
}

// pairs are nodes of which two each get a parent.
type pairs struct {
	children group
	count    int
	of       [lanes / 2]int // where the parent goes
}

func (p *pairs) add(left, right *[8]uint32, to int) {
	for word := range left {
		p.children[word][2*p.count], p.children[word][2*p.count+1] = left[word], right[word]
	}
	p.of[p.count] = to
	p.count++
}

func (p *pairs) join(nodes *[lanes][8]uint32, flags uint32) {
	if p.count == 0 {
		return
	}
	parents8(&p.children, &p.children, flags)
	for n, to := range p.of[:p.count] {
		for word := range nodes[to] {
			nodes[to][word] = p.children[word][n]
		}
	}
}

// join puts the parents of all pairs of nodes in their place, one level of all
// contents at once, and reports whether there was any.
func (b *Batch) join(nodes *[lanes][8]uint32, left []int) bool {
	var inner, roots pairs
	for n, count := range left {
		first := b.first[n]
		if count == 2 {
			roots.add(&nodes[first], &nodes[first+1], first)
		} else {
			for pair := range count / 2 {
				inner.add(&nodes[first+2*pair], &nodes[first+2*pair+1], first+pair)
			}
		}
		if count > 1 && count%2 == 1 { // the last goes up as it is
			nodes[first+count/2] = nodes[first+count-1]
		}
		left[n] = (count + 1) / 2
	}
	inner.join(nodes, flagParent)
	roots.join(nodes, flagParent|flagRoot)
	return inner.count+roots.count > 0
}
