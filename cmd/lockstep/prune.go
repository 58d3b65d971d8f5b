package main

import (
	"os"
	"path/filepath"
	"strings"

	"lockstep/reconcile/local"
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
			local.PruneCache(filepath.Join(place, "contents"))
			pruneServer(place)
		}
	}
}

// pruneServer removes what a server kept to be sent less. The folders stay: a
// server may have been idle for as long.
func pruneServer(place string) {
	for _, kept := range []string{"index", "spool/*.list", "spool/*.data"} {
		files, err := filepath.Glob(filepath.Join(place, kept))
		if err != nil {
			continue
		}
		for _, file := range files {
			if info, err := os.Lstat(file); err == nil && local.Unused(info) {
				_ = os.Remove(file) // it is tried again
			}
		}
	}
}
