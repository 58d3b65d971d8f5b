//go:build !linux

package at

// CreateUnnamed answers [ErrUnsupported].
func (d *Dir) CreateUnnamed(mode uint32) (*File, error) { return nil, ErrUnsupported }

// Again answers [ErrUnsupported].
func (f *File) Again() (*File, error) { return nil, ErrUnsupported }

// Descriptors is how many this process may have open; 0 where that is not
// asked.
func Descriptors() uint64 { return 0 }

// Link answers [ErrUnsupported].
func (f *File) Link(*Dir, string) error { return ErrUnsupported }
