package reconcile

import (
	"sync"

	"lockstep/reconcile/tree"
)

// node collects the digests of one folder's entries until all are known; the
// digest of the folder then goes to the node above. Only folders that are
// being compared, and those above them, have a node: memory grows with the
// depth of a tree and not with its size.
type node struct {
	above *node
	place int // in above

	mu     sync.Mutex
	self   tree.Digest
	names  []string
	leaves []tree.Digest
	gone   []bool
	open   int // leaves not yet known, and 1 while the folder is compared
}

func newNode(above *node, place int) *node {
	return &node{above: above, place: place, open: 1}
}

// begin names the entries and sets what is known of them. Places of which the
// digest is to follow through [node.set] are counted by pending.
func (n *node) begin(self tree.Digest, names []string, leaves []tree.Digest, pending int) {
	n.mu.Lock()
	n.self, n.names, n.leaves = self, names, leaves
	n.gone = make([]bool, len(names))
	n.open += pending
	n.mu.Unlock()
}

// set gives the digest of the entry at place; the zero digest says that the
// entry is gone. Each pending place is set once.
func (n *node) set(place int, leaf tree.Digest) {
	n.mu.Lock()
	n.leaves[place] = leaf
	n.gone[place] = leaf.IsZero()
	n.mu.Unlock()
	n.close()
}

// close ends one thing that the folder waits for. The last one passes the
// folder's digest on; a folder that is gone passes on the zero digest.
func (n *node) close() {
	n.mu.Lock()
	n.open--
	last := n.open == 0
	n.mu.Unlock()
	if last && n.above != nil {
		n.above.set(n.place, n.sum())
	}
}

// sum returns the digest of the folder. Call it when all places are set.
func (n *node) sum() tree.Digest {
	if n.self.IsZero() {
		return tree.Digest{}
	}
	nameBytes := 0
	for _, name := range n.names {
		nameBytes += len(name)
	}
	h := tree.NewFolderHash(n.self)
	h.Grow(len(n.names), nameBytes)
	for i, name := range n.names {
		if !n.gone[i] {
			h.Add(name, n.leaves[i])
		}
	}
	return h.Sum()
}
