package local

import (
	"slices"
	"strings"
	"sync"

	"lockstep/reconcile/local/at"
)

// listing is the names of one folder after the other, in the same room.
type listing struct{ names []at.Name }

var listings = sync.Pool{New: func() any { return new(listing) }}

// read reads all names of d in order. They are there until giveBack.
func (l *listing) read(d *at.Dir) error {
	names, err := d.Names(l.names)
	if err != nil {
		return err
	}
	l.names = inOrder(names)
	return nil
}

// inOrder sorts names, each of which comes once: of one that was removed and
// made again while they were read, xfs tells twice.
func inOrder(names []at.Name) []at.Name {
	slices.SortFunc(names, func(a, b at.Name) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(names, func(a, b at.Name) bool { return a.Name == b.Name })
}

func (l *listing) giveBack() {
	clear(l.names) // they hold on to the text that they share
	l.names = l.names[:0]
	listings.Put(l)
}
