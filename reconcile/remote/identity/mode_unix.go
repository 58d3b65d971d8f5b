//go:build unix

package identity

import "io/fs"

// readableByOthers reports whether anybody but the owner may read a file.
func readableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
