package at

import "golang.org/x/sys/unix"

// Hold opens what stands at name, whatever its kind, neither to read nor to
// write it (O_PATH), which wakes no device and no reader of a FIFO. Of what it
// returns, only the calls that take the empty name are of use: they see and set
// the attributes of that very entry, whatever is put in its place meanwhile.
// Errors: [ErrUnsupported], [fs.ErrNotExist].
func (d *Dir) Hold(name string) (*Dir, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Dir{fd: fd, pathOnly: true, sys: d.sys}, nil
}
