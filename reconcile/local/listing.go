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

// read reads all names of d, sorted. They are there until giveBack.
func (l *listing) read(d *at.Dir) error {
	names, err := d.Names(l.names)
	if err != nil {
		return err
	}
	l.names = names
	slices.SortFunc(names, func(a, b at.Name) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (l *listing) giveBack() {
	clear(l.names) // they hold on to the text that they share
	l.names = l.names[:0]
	listings.Put(l)
}
