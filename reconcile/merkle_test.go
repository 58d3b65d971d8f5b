package reconcile

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"lockstep/reconcile/tree"
)

// made is a tree as a test makes it up.
type made struct {
	name    string
	folder  bool
	entries []*made
	late    bool // a file of which the digest comes after its folder was compared
	gone    bool // one that was late and turned out to be gone
}

func drawTree(t *rapid.T, depth int, name string) *made {
	x := &made{name: name}
	if depth == 0 || name != "r" && rapid.Bool().Draw(t, "file") {
		x.late = rapid.Bool().Draw(t, "late")
		x.gone = x.late && rapid.Bool().Draw(t, "gone")
		return x
	}
	x.folder = true
	for i := range rapid.IntRange(0, 4).Draw(t, "entries") {
		x.entries = append(x.entries, drawTree(t, depth-1, fmt.Sprint(name, i)))
	}
	return x
}

func (x *made) leaf() tree.Digest { return tree.HashContent([]byte(x.name)) }

// digest is what the node of x is to come to, by plain recursion.
func (x *made) digest() tree.Digest {
	if !x.folder {
		return x.leaf()
	}
	h := tree.NewFolderHash(x.leaf())
	for _, e := range x.entries {
		if !e.gone {
			h.Add(e.name, e.digest())
		}
	}
	return h.Sum()
}

// task is a piece of work that may bring forth others.
type task func() []task

// compare does for x what a pass does, and returns what is left to be done.
func (x *made) compare(n *node) (rest []task) {
	defer n.close()
	names := make([]string, len(x.entries))
	leaves := make([]tree.Digest, len(x.entries))
	for i, e := range x.entries {
		names[i] = e.name
		switch {
		case e.folder:
			below := newNode(n, i)
			rest = append(rest, func() []task { return e.compare(below) })
		case e.gone:
			rest = append(rest, func() []task { n.set(i, tree.Digest{}); return nil })
		case e.late:
			rest = append(rest, func() []task { n.set(i, e.leaf()); return nil })
		default:
			leaves[i] = e.leaf()
		}
	}
	n.begin(x.leaf(), names, leaves, len(rest))
	return rest
}

// In whatever order digests come in, the root has the one that plain recursion
// gives.
func TestMerkleInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTree(t, 4, "r")
		root := newNode(nil, 0)
		for open := []task{func() []task { return x.compare(root) }}; len(open) > 0; {
			i := rapid.IntRange(0, len(open)-1).Draw(t, "next")
			next := open[i]
			open[i] = open[len(open)-1]
			open = append(open[:len(open)-1], next()...)
		}
		if root.open != 0 {
			t.Fatalf("%d are still open", root.open)
		}
		if got, want := root.sum(), x.digest(); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// A folder of which nothing is known, for it could not be read or is gone,
// counts as gone in the one above.
func TestMerkleOfAFolderThatIsGone(t *testing.T) {
	self := tree.HashContent([]byte("self"))
	root := newNode(nil, 0)
	root.begin(self, []string{"gone"}, make([]tree.Digest, 1), 1)
	newNode(root, 0).close()
	root.close()
	if got, want := root.sum(), tree.NewFolderHash(self).Sum(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
