//go:build amd64 || arm64

package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/e2e/faults/intercept"
	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// secret is in every file outside, and must never be in the replica.
const secret = "this is none of the mirror's business"

// TestNoWayOut swaps folders of the source and of the replica for symlinks to a folder outside and back, as fast as it can be done,
// while files change and passes are made. Nothing outside is ever read into the replica, written or removed, whichever way the mirror
// walks down a path: by one call, or component by component where the system has no such call.
//
// Scenarios: P16, R5, F3, F10.
func TestNoWayOut(t *testing.T) {
	needRoot(t)
	t.Run("at once", func(t *testing.T) { raceWithFlippers(t, nil) })
	t.Run("by component", func(t *testing.T) {
		var tried atomic.Bool
		raceWithFlippers(t, func(c intercept.Call) intercept.Verdict {
			if c.Path == "/" {
				tried.Store(true)
			}
			return intercept.Fail(unix.ENOSYS)
		})
		if !tried.Load() {
			t.Error("the mirror did not even try to walk at once")
		}
	})
}

// raceWithFlippers runs the race, with decide asked about every openat2 if it is given.
func raceWithFlippers(t *testing.T, decide func(intercept.Call) intercept.Verdict) {
	s := newScene(t)
	source := builder{t, s.source, before}
	kept(source)
	for _, folder := range []string{"d", "d/sub", "deep", "deep/er", "deep/er/still"} {
		source.folder(folder)
		source.file(folder+"/f", small)
	}
	outside := builder{t, filepath.Join(filepath.Dir(s.source), "outside"), before}
	must(t, os.Mkdir(outside.root, 0o755))
	for _, folder := range []string{"sub", "still", "still/deeper"} {
		outside.folder(folder)
	}
	for _, name := range []string{"f", "sub/f", "still/f", "still/deeper/f", "additional"} {
		must(t, os.WriteFile(outside.path(name), []byte(secret), 0o644))
	}
	was := s.read(outside.root)
	s.once()
	var changed []*os.Root // stay with their folders wherever they are swapped to
	for _, path := range []string{"d/sub", "deep/er/still"} {
		folder, err := os.OpenRoot(source.path(path))
		must(t, err)
		defer folder.Close()
		changed = append(changed, folder)
	}
	p := s.startOnWalk(decide)
	must(t, p.Ready())
	long := 4 * time.Second
	if complete() {
		long = time.Minute
	}
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	var flips, changes atomic.Int64
	var racers sync.WaitGroup
	for _, root := range []string{s.source, s.replica} {
		for _, folder := range []string{"d", "deep/er"} {
			f := &flipper{
				at:    filepath.Join(root, folder),
				aside: filepath.Join(filepath.Dir(s.source), filepath.Base(root)+"-"+filepath.Base(folder)),
				to:    outside.root,
				mine:  root == s.source,
			}
			racers.Go(func() { flips.Add(f.run(ctx)) })
		}
	}
	for _, folder := range changed {
		racers.Go(func() { changes.Add(change(ctx, folder)) })
	}
	for ctx.Err() == nil {
		s.keepsSecret()
	}
	racers.Wait()
	t.Logf("%d flips, %d changes", flips.Load(), changes.Load())
	must(t, p.Pass())
	s.converges(p)
	s.ends(p)
	s.equal()
	s.keepsSecret()
	for _, difference := range append(judge.Differences(was, s.read(outside.root)), judge.Differences(s.read(outside.root), was)...) {
		t.Errorf("outside: %s", difference)
	}
}

// startOnWalk starts a mirror that makes a pass every second, with decide asked about every openat2.
func (s *scene) startOnWalk(decide func(intercept.Call) intercept.Verdict) *rig.Process {
	s.t.Helper()
	if decide == nil {
		return s.start("--interval", "1s", "--quiet")
	}
	command := rig.Command(false, os.Getenv(binary), "--interval", "1s", "--quiet", "--log-file", s.log, s.source, s.replica)
	launch, err := intercept.Command(command, "openat2")
	must(s.t, err)
	p, err := rig.Start(command, s.log)
	must(s.t, err)
	s.t.Cleanup(p.Kill)
	go func() { // ends with the process
		if err := launch.Supervise(decide); err != nil {
			s.t.Error(err)
		}
	}()
	return p
}

// flipper swaps a folder for a symlink and back.
type flipper struct {
	at, aside, to string
	// mine: the folder is never to be lost, for nobody makes it anew.
	mine bool
}

// run swaps until ctx ends, leaves the folder in its place, and returns how often it did.
func (f *flipper) run(ctx context.Context) (flips int64) {
	for ctx.Err() == nil {
		if f.flip() {
			flips++
		}
	}
	if isLink(f.at) && !isLink(f.aside) {
		f.flip()
	}
	// What is left aside is removed with the scene.
	return flips
}

// flip puts what is aside in the place of what is there. When the mirror has put a folder where the symlink was, two are there: then
// a new symlink is made.
func (f *flipper) flip() bool {
	if !isLink(f.at) && !isLink(f.aside) {
		if !f.mine {
			// It may have been filled or taken away meanwhile; what remains is tried again.
			_ = os.RemoveAll(f.aside)
		}
		if os.Symlink(f.to, f.aside) != nil {
			return false
		}
	}
	return unix.Renameat2(unix.AT_FDCWD, f.at, unix.AT_FDCWD, f.aside, unix.RENAME_EXCHANGE) == nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// change writes, renames and removes files in a folder until ctx ends.
func change(ctx context.Context, folder *os.Root) (changes int64) {
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("f%d", i%10)
		// Nobody else is in the folder, and a failure would only make the race duller.
		_ = folder.WriteFile(name, fmt.Appendf(nil, "version %d", i), 0o644)
		_ = folder.Rename(name, fmt.Sprintf("g%d", i%7))
		_ = folder.Remove(fmt.Sprintf("g%d", (i+3)%7))
		changes++
		if i%20 == 19 { // lets the mirror come to rest between
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return changes
}

// keepsSecret wants no file of the replica to hold what is outside.
func (s *scene) keepsSecret() {
	s.t.Helper()
	err := filepath.WalkDir(s.replica, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // gone, or swapped, meanwhile
		}
		fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
		if err != nil {
			return nil
		}
		f := os.NewFile(uintptr(fd), path)
		defer f.Close()
		buf := make([]byte, 4*len(secret))
		if n, _ := f.Read(buf); bytes.Contains(buf[:n], []byte(secret)) {
			return errors.New(path + " holds what is outside")
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}
