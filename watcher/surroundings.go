package watcher

// surroundings hears of what may put another folder at the root, or none: a folder above it moves, something is mounted
// or unmounted. It takes no processor time while nothing of that kind happens.
//
// The bodies are in surroundings_linux.go and surroundings_other.go:
//
//	heed(root, tell) (*surroundings, error)  call tell from now on, from other goroutines, after whatever happens.
//	                                         errUnheard where something may happen unheard
//	(*surroundings).stale() bool             other folders may be above the root by now: heed it anew
//	(*surroundings).close()                  tell is not called any more when it returns
