//go:build !linux

package at

// Hold opens what stands at name. This system cannot: [ErrUnsupported].
func (d *Dir) Hold(name string) (*Dir, error) { return nil, ErrUnsupported }
