package identity

import "io/fs"

// readableByOthers cannot tell here: the profile of a user is closed to others.
func readableByOthers(fs.FileInfo) bool { return false }
