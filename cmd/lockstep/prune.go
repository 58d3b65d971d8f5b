package main

import (
	"os"
	"path/filepath"
	"strings"

	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/chunk"
)

// What begins the name of a server's caches, and ends that of a mirror's.
const (
	serverCaches = "serve-"
	mirrorCache  = ".cache"
)

// pruneCaches removes what this user's caches hold that was not used for long,
// for there are those of folders that are gone; but nothing in one of trees.
func pruneCaches(trees ...string) {
	user, err := os.UserCacheDir()
	if err != nil {
		return
	}
	entries, err := os.ReadDir(filepath.Join(user, "lockstep"))
	if err != nil {
		return
	}
	for _, e := range entries {
		place := cachePlace(e.Name(), trees...)
		switch {
		case place == "" || !e.IsDir():
		case strings.HasSuffix(e.Name(), mirrorCache):
			local.PruneCache(place)
		case strings.HasPrefix(e.Name(), serverCaches):
			pruneServer(place)
		}
	}
}

// pruneServer does so in the caches of one server. The folders stay: it may
// have been idle for as long.
func pruneServer(place string) {
	local.PruneCache(filepath.Join(place, contentsPlace))
	chunk.PruneIndex(filepath.Join(place, indexPlace), local.Unused)
	kept, _ := os.ReadDir(place) // what cannot be read stays
	for _, e := range kept {
		if strings.HasPrefix(e.Name(), spoolPlace) {
			chunk.PruneSpool(filepath.Join(place, e.Name()), local.Unused)
		}
	}
}
