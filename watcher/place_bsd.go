//go:build unix && !linux && !darwin

package watcher

// remoteName does not know the file systems here.
func remoteName(int) string { return "" }
