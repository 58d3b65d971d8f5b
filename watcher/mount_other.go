//go:build !linux

package watcher

// mountTable is for systems that tell when something is mounted.
type mountTable struct{}

func (*mountTable) changed() bool         { return false }
func (*mountTable) below(string) []string { return nil }
func (*mountTable) close()                {}
