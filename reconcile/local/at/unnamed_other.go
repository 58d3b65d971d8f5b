//go:build !linux

package at

// CreateUnnamed answers [ErrUnsupported].
func (d *Dir) CreateUnnamed() (*File, error) { return nil, ErrUnsupported }

// Link answers [ErrUnsupported].
func (f *File) Link(*Dir, string) error { return ErrUnsupported }
