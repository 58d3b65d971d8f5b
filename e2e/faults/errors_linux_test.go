//go:build amd64 || arm64

package faults_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/rig"
)

// The errors that a system call can really give; -1 stands for one that does only a part of its work.
const partly = unix.Errno(0)

// failures are what is tried for each system call.
var failures = map[string][]unix.Errno{
	"openat":          {unix.EIO, unix.EACCES, unix.EPERM, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ESTALE},
	"openat creating": {unix.EIO, unix.EACCES, unix.EMFILE, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.ENAMETOOLONG},
	"openat2":         {unix.EIO, unix.EACCES, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ESTALE},
	"statx":           {unix.EIO, unix.EACCES, unix.ENOMEM, unix.ESTALE},
	"newfstatat":      {unix.EIO, unix.EACCES, unix.ESTALE},
	"fstat":           {unix.EIO, unix.ESTALE},
	"fstatfs":         {unix.EIO, unix.ESTALE},
	"getdents64":      {unix.EIO, unix.ENOMEM, unix.ESTALE},
	"readlinkat":      {unix.EIO, unix.EACCES, unix.ESTALE},
	"lseek":           {unix.EIO, unix.ESTALE},
	"read":            {unix.EIO, unix.ESTALE, partly},
	"pread64":         {unix.EIO, unix.ESTALE, partly},
	"write":           {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EROFS, partly},
	"pwrite64":        {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EFBIG, partly},
	"copy_file_range": {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EXDEV, unix.ENOMEM, partly},
	"ioctl":           {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EOPNOTSUPP, unix.EXDEV},
	"ftruncate":       {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EFBIG},
	"fallocate":       {unix.EIO, unix.ENOSPC, unix.EOPNOTSUPP},
	"fchmod":          {unix.EIO, unix.EPERM, unix.EROFS},
	"fchmodat":        {unix.EIO, unix.EPERM, unix.EROFS},
	"fchmodat2":       {unix.EIO, unix.EPERM, unix.EROFS},
	"fchown":          {unix.EIO, unix.EPERM, unix.EROFS, unix.EDQUOT},
	"fchownat":        {unix.EIO, unix.EPERM, unix.EROFS, unix.EDQUOT},
	"utimensat":       {unix.EIO, unix.EPERM, unix.EROFS},
	"fsetxattr":       {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EPERM, unix.EROFS},
	"lsetxattr":       {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EPERM, unix.EROFS},
	"fremovexattr":    {unix.EIO, unix.EROFS},
	"lremovexattr":    {unix.EIO, unix.EROFS},
	"flistxattr":      {unix.EIO, unix.ENOMEM, unix.ESTALE},
	"llistxattr":      {unix.EIO, unix.ENOMEM, unix.ESTALE},
	"listxattrat":     {unix.EIO, unix.ENOMEM, unix.ESTALE},
	"fgetxattr":       {unix.EIO, unix.ENOMEM, unix.ESTALE},
	"lgetxattr":       {unix.EIO, unix.ENOMEM, unix.ESTALE},
	"mkdirat":         {unix.EIO, unix.EACCES, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.ENAMETOOLONG},
	"mknodat":         {unix.EIO, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.ENAMETOOLONG},
	"symlinkat":       {unix.EIO, unix.EACCES, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.ENAMETOOLONG},
	"linkat":          {unix.EIO, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EMLINK, unix.EXDEV},
	"renameat":        {unix.EIO, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EBUSY, unix.EXDEV, unix.ESTALE},
	"renameat2":       {unix.EIO, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EBUSY, unix.EXDEV, unix.ESTALE, unix.EINVAL},
	"unlinkat":        {unix.EIO, unix.EACCES, unix.EPERM, unix.EROFS, unix.EBUSY, unix.ESTALE},
	"fsync":           {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EROFS},
	"fdatasync":       {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EROFS},
	"syncfs":          {unix.EIO, unix.ENOSPC, unix.EDQUOT},
	"sync_file_range": {unix.EIO, unix.ENOSPC, unix.EDQUOT},
	"flock":           {unix.EIO, unix.ENOLCK, unix.EWOULDBLOCK},
	"close":           {unix.EIO, unix.ENOSPC, unix.EDQUOT},
}

// kindOf names a system call as the table does.
func kindOf(c intercept.Call) string {
	if c.Creates() {
		return "openat creating"
	}
	return c.Name
}

// place is a call in a pass over the fixture: the n-th of its kind on something in a room.
type place struct {
	room, call string
	n          int
}

// fault is a place where a call fails, and how.
type fault struct {
	place
	errno unix.Errno
}

// failing lets a fault happen once: at counts the calls of its kind, path is of the one that failed.
type failing struct {
	fault
	at   int
	path string
}

func (f *failing) verdict(s *scene, c intercept.Call) intercept.Verdict {
	if s.roomOf(c) != f.room || kindOf(c) != f.call {
		return intercept.Continue
	}
	if f.at++; f.at != f.n {
		return intercept.Continue
	}
	if f.path = c.Path; f.errno == partly {
		return intercept.Part(1)
	}
	return intercept.Fail(f.errno)
}

func (f fault) String() string {
	how := unix.ErrnoName(f.errno)
	if f.errno == partly {
		how = "partly"
	}
	return fmt.Sprintf("%s %s %d %s", f.room, strings.ReplaceAll(f.call, " ", "_"), f.n, how)
}

// everything is a tree in which each kind of change is to be made, beside what stays as it is.
var everything = publish{"everything",
	func(b builder) {
		kept(b)
		for _, folder := range []string{"same", "change", "gone"} {
			b.folder(folder)
		}
		b.time = before
		b.file("same/f", small)
		b.symlink("same/l", "text")
		b.xattr("same/f", "red")
		b.file("change/small", small)
		b.file("change/large", large)
		b.symlink("change/l", "old")
		b.file("change/file-to-folder", small)
		fullFolder(b, "change/folder-to-file")
		b.file("change/linked", small)
		b.file("change/separate", small)
		fullFolder(b, "gone/d")
		b.file("gone/f", small)
		b.xattr("gone", "red")
		sameFile(b, 0o600, "red")
	},
	func(b builder) {
		kept(b)
		for _, folder := range []string{"same", "change", "gone", "new"} {
			b.folder(folder)
		}
		b.time = before
		b.file("same/f", small)
		b.symlink("same/l", "text")
		b.xattr("same/f", "red")
		b.file("change/linked", small)
		b.time = after
		b.file("change/small", small)
		b.file("change/large", large)
		b.symlink("change/l", "new")
		fullFolder(b, "change/file-to-folder")
		b.file("change/folder-to-file", small)
		b.link("change/linked", "change/separate")
		fullFolder(b, "new/d")
		b.file("new/f", small)
		b.file("new/large", large)
		b.xattr("new/f", "green")
		b.fifo("new/fifo")
		b.symlink("new/l", "text")
		b.link("new/f", "new/g")
		sameFile(b, 0o755, "blue")
	},
}

// TestErrors lets one system call of a pass fail, again and again, each with each error that it can give. The pass says what is wrong
// at which path, or gets over it; what cannot be mirrored stays as it was, nothing is removed that should not be, the rest is
// mirrored, and the next pass makes the trees equal.
//
// Scenarios: G9, S3, S4, S5, S6, S7, S9, S11, S13, S14, S21.
func TestErrors(t *testing.T) {
	needRoot(t)
	faults := chosen(placesOf(t), everyError)
	var mu sync.Mutex
	tally := map[string]int{}
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				how := failOnce(t, f)
				mu.Lock()
				defer mu.Unlock()
				tally[how]++
			})
		}
	})
	t.Logf("%d faults: %v", len(faults), tally)
}

// placesOf makes an undisturbed pass over the fixture and counts its calls.
func placesOf(t *testing.T) map[place]int {
	t.Helper()
	s := newScene(t)
	s.build(everything)
	places := map[place]int{}
	_, code := s.intercepted(func(c intercept.Call) intercept.Verdict {
		places[place{room: s.roomOf(c), call: kindOf(c)}]++
		return intercept.Continue
	}, "--once", "--quiet", "--workers", "1")
	if code != 0 {
		t.Fatalf("undisturbed, the pass ended with %d", code)
	}
	s.equal()
	return places
}

// roomOf is room for a call: where its file is, or else the one that it reads from.
func (s *scene) roomOf(c intercept.Call) string {
	if room := s.room(c.Path); room != "" {
		return room
	}
	return s.room(c.Other)
}

// How many errors of each call are in a sample.
const (
	everyError = 100
	fewErrors  = 2
	oneError   = 1
)

// chosen returns every fault there can be, or a sample: so many errors of each call in each room, each at one place, always the same.
func chosen(places map[place]int, most int) []fault {
	if rig.Race {
		most = oneError
	}
	var faults []fault
	for p, count := range places {
		errnos := failures[p.call]
		if !complete() {
			for i := range min(most, len(errnos)) {
				errno := errnos[(count+i)%len(errnos)]
				h := fnv.New32a()
				fmt.Fprint(h, p, errno)
				faults = append(faults, fault{place{p.room, p.call, 1 + int(h.Sum32()>>1)%count}, errno})
			}
			continue
		}
		for _, errno := range errnos {
			for n := range count {
				faults = append(faults, fault{place{p.room, p.call, n + 1}, errno})
			}
		}
	}
	slices.SortFunc(faults, func(a, b fault) int { return strings.Compare(a.String(), b.String()) })
	return faults
}

// failOnce makes a pass in which one call fails, judges it, and returns how it ended.
func failOnce(t *testing.T, f fault) string {
	s := newScene(t)
	s.build(everything)
	from, to := s.read(s.replica), s.read(s.source)
	failing := &failing{fault: f}
	p, code := s.intercepted(func(c intercept.Call) intercept.Verdict { return failing.verdict(s, c) }, "--once", "--quiet", "--workers", "1")
	log, err := p.Log()
	must(t, err)
	how, ended := "not reached", end{code, p.Output(), log}
	switch {
	case failing.at >= f.n && refusing(f.errno) && probing.MatchString(strings.TrimPrefix(failing.path, s.replica)):
		how = s.judgeLess(f, ended)
	case failing.at >= f.n:
		how = s.judgeEnd(f, ended)
		fallthrough
	default:
		for _, what := range torn(from, to, s.read(s.replica)) {
			t.Error(what)
		}
	}
	if t.Failed() {
		t.Logf("at %q, ended with %d\n%s\n%s", failing.path, code, p.Output(), log)
		return how
	}
	s.once()
	if s.equal(); t.Failed() {
		t.Logf("after a failure at %q that ended with %d\n%s\n%s", failing.path, code, p.Output(), log)
	}
	return how
}

// end is how a run ended.
type end struct {
	code   int
	output string
	log    []byte
}

// probing is where the mirror tries out what a replica can hold.
var probing = regexp.MustCompile(`^/\.lockstep-[0-9a-f]{16}/`)

// refusing reports whether an error says that a file system does not do what was asked for at all.
func refusing(errno unix.Errno) bool {
	return slices.Contains([]unix.Errno{unix.EPERM, unix.EACCES, unix.EMLINK, unix.EINVAL, unix.EOPNOTSUPP}, errno)
}

// judgeLess holds a pass over a replica that is taken for one that cannot hold everything to saying so.
func (s *scene) judgeLess(f fault, e end) string {
	if e.code == 1 {
		return s.judgeEnd(f, e)
	}
	owner := strings.HasPrefix(f.call, "fchown") // who is not allowed to give files away is not told of each
	if !owner && len(s.differences()) > 0 && !bytes.Contains(e.log, []byte(`"event":"attribute_unheld"`)) {
		s.t.Errorf("not equal, and it is not told what the replica cannot hold: ended with %d", e.code)
	}
	return "held less"
}

// judgeEnd holds the end of a pass in which one call failed to what is promised for it.
func (s *scene) judgeEnd(f fault, e end) string {
	told := s.problems(e.log)
	differences := s.differences()
	switch e.code {
	case 0:
		if len(differences) > 0 {
			s.t.Errorf("ended with 0, but %v", differ(differences))
		}
		return "got over"
	case 1, 2:
		_, line, found := strings.Cut(e.output, "error: ")
		if !found || !strings.Contains(line, filepath.Dir(s.source)) && !strings.Contains(line, "the source") {
			s.t.Errorf("no line that names the path: %q", e.output)
		}
		if e.code == 2 && !errors.Is(f.errno, fs.ErrPermission) {
			s.t.Error("a system in trouble is taken for wrong usage")
		}
		return "refused"
	case 3:
		if len(told) == 0 {
			s.t.Error("no problem is told")
		}
		s.restMirrored(told, differences)
		return "told"
	case 5:
		return "removals held"
	}
	s.t.Errorf("%v: ended with %d", f, e.code)
	return "wrong"
}

// problems returns the paths of which the log tells a problem.
func (s *scene) problems(log []byte) []string {
	var paths []string
	for line := range bytes.Lines(log) {
		var record struct{ Event, Path, Error string }
		if err := json.Unmarshal(line, &record); err != nil {
			s.t.Errorf("line %q: %v", line, err)
		}
		if record.Event == "problem" {
			if record.Error == "" {
				s.t.Errorf("a problem without a reason: %s", line)
			}
			paths = append(paths, record.Path)
		}
	}
	return paths
}

// restMirrored wants every difference to lie at, below or directly above a path of which a problem was told.
func (s *scene) restMirrored(told, differences []string) {
	for _, difference := range differences {
		if strings.Contains(difference, "hard link of") && len(told) > 0 {
			continue // the other names of a file that could not be linked are well
		}
		path := differingPath(difference)
		excused := slices.ContainsFunc(told, func(p string) bool {
			return p == "." || p == path || strings.HasPrefix(path, p+"/") || filepath.Dir(p) == path || temp.MatchString(path)
		})
		if !excused {
			s.t.Errorf("problems at %q, but elsewhere: %s", told, difference)
		}
	}
}

// differingPath is the path that the judge's difference begins with.
func differingPath(difference string) string {
	quoted, _, _ := strings.Cut(strings.TrimPrefix(difference, "rsync: "), `": `)
	return strings.TrimPrefix(quoted, `"`)
}
