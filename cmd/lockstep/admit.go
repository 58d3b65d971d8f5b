package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"lockstep/reconcile/local"
	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// pair is a command line that may be carried out: resolved folders, and the
// files that belong to them.
type pair struct {
	// source and replica without symlinks; the replica may not exist yet.
	source, replica string
	// logFile is "" when there is none, for a reason in noLogFile.
	logFile, noLogFile string
	// cache is where digests are kept for --compare cached; "" for nowhere.
	cache string
}

// ownLogHint is what to do when the log file would be mirrored that nobody has
// named: it is in the home folder, and that may be the source.
const ownLogHint = "that is where it is by default; name a file outside of what is mirrored, as in --log-file /var/tmp/lockstep.log"

// admit refuses folders that cannot be mirrored and a log file that would be
// mirrored itself. It creates nothing.
func admit(s *settings) (pair, error) {
	var p pair
	if s.address != nil {
		return admitRemote(s)
	}
	// Relative names mean the folder that we were started in, whatever
	// becomes of it later.
	for _, name := range []*string{&s.source, &s.replica, &s.logFile} {
		if *name == "" {
			continue
		}
		absolute, err := filepath.Abs(*name)
		if err != nil {
			return p, &ending{code: exitFailed, what: err.Error(), hint: "start from a folder that exists"}
		}
		*name = absolute
	}
	p.logFile = s.logFile
	if p.logFile == "" && !s.changesNothing() {
		state, err := stateFolder()
		if err != nil {
			p.noLogFile = noLog(err)
		} else {
			p.logFile = filepath.Join(state, pairName(s)+".log")
		}
	}
	if err := local.CheckPair(s.source, s.replica, p.logFile); err != nil {
		var refusal *local.Refusal
		if errors.As(err, &refusal) {
			hint := refusal.Hint
			if s.logFile == "" && local.CheckPair(s.source, s.replica, "") == nil {
				hint = ownLogHint
			}
			return p, wrongUsage(hint, "%s", refusal.What)
		}
		return p, unreadable(err)
	}
	var err error
	if p.source, err = local.Resolve(s.source); err == nil {
		p.replica, err = local.Resolve(s.replica)
	}
	if err != nil {
		return p, unreadable(err)
	}
	if s.method == tree.ByCache {
		p.cache = cachePlace(pairName(s)+mirrorCache, p.source, p.replica)
	}
	return p, nil
}

// cachePlace is where a cache of that name lies; "" when there is no place for
// it, or only one inside one of the trees: nothing is written in a source, and
// of a replica the next pass would remove it.
func cachePlace(name string, trees ...string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	place := filepath.Join(cache, "lockstep", name)
	resolved, err := local.Resolve(place)
	if err != nil {
		return ""
	}
	for _, root := range trees {
		if inside(resolved, root) {
			return ""
		}
	}
	return place
}

// inside reports whether path, without symlinks, is root or below it.
func inside(path, root string) bool {
	const separator = string(filepath.Separator)
	return path == root || strings.HasPrefix(path, strings.TrimSuffix(root, separator)+separator)
}

// unreadable returns the ending for a folder that cannot be opened: the wrong
// one was named, or the system is in trouble.
func unreadable(err error) *ending {
	for _, wrong := range []error{fs.ErrNotExist, fs.ErrPermission, at.ErrNotFolder, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, wrong) {
			return &ending{code: exitUsage, what: err.Error(), hint: "name folders that can be read"}
		}
	}
	return &ending{code: exitFailed, what: err.Error(), hint: "try again when the system is well"}
}

// changesNothing reports whether the command only looks.
func (s *settings) changesNothing() bool { return s.dryRun || s.words["interval"] == "" }

// mostReadable bounds what the name of a folder adds to the name of a file that
// belongs to it: a name may have 255 bytes, and that file's ends are to fit.
const mostReadable = 200

// pairName names the files of a mirror: readable, and its own.
func pairName(s *settings) string {
	h := fnv.New64a()
	h.Write([]byte(s.source + "\x00" + s.replica))
	base := filepath.Base(s.source)
	if len(base) > mostReadable {
		base = strings.ToValidUTF8(base[:mostReadable], "") // without half a character
	}
	return fmt.Sprintf("%s-%08x", base, uint32(h.Sum64()))
}

// stateFolder is where programs keep what is no setting and no cache
// (XDG Base Directory Specification, XDG_STATE_HOME).
func stateFolder() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "lockstep"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Logs", "lockstep"), nil
	case "windows":
		return filepath.Join(home, "AppData", "Local", "lockstep"), nil
	}
	return filepath.Join(home, ".local", "state", "lockstep"), nil
}
