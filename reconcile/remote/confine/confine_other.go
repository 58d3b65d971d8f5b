//go:build !linux

package confine

func restart(Rules, []string) error { return ErrUnsupported }
