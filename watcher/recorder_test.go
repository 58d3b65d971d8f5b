package watcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen: long, because a pass never waits for it.
const patience = 20 * time.Second

// recorder is a sink that remembers.
type recorder struct {
	news chan struct{} // holds one token when there is something new

	mu      sync.Mutex
	dirty   []string
	polled  []string
	ready   []Coverage
	rescans []Reason
	notices []Notice
	onDirty func([]string)
}

func newRecorder() *recorder { return &recorder{news: make(chan struct{}, 1)} }

func (s *recorder) record(f func()) {
	s.mu.Lock()
	f()
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *recorder) Dirty(paths []string, by Origin) {
	s.record(func() {
		if s.onDirty != nil {
			s.onDirty(paths)
		}
		if by == Polled {
			s.polled = append(s.polled, paths...)
		} else {
			s.dirty = append(s.dirty, paths...)
		}
	})
}
func (s *recorder) Ready(c Coverage)  { s.record(func() { s.ready = append(s.ready, c) }) }
func (s *recorder) Notice(n Notice)   { s.record(func() { s.notices = append(s.notices, n) }) }
func (s *recorder) Rescan(why Reason) { s.record(func() { s.rescans = append(s.rescans, why) }) }

// all returns every path reported, by events or polling.
func (s *recorder) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Clone(s.dirty), s.polled...)
}

func (s *recorder) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty, s.polled, s.rescans, s.notices = nil, nil, nil, nil
}

func (s *recorder) count(c Class) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, notice := range s.notices {
		if notice.Class == c {
			n++
		}
	}
	return n
}

func (s *recorder) notice(c Class) Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notices {
		if n.Class == c {
			return n
		}
	}
	return Notice{}
}

func (s *recorder) rescanned(why Reason) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.rescans, why)
}

// scene is a watched folder in a test.
type scene struct {
	*recorder
	t     *testing.T
	root  string
	w     *Watcher
	marks int
}

// watch begins to watch root and waits until it is ready.
func watch(t *testing.T, root string, change func(*Watcher)) *scene {
	t.Helper()
	s := launch(t, root, change)
	s.waitReady()
	return s
}

func (s *scene) waitReady() {
	s.t.Helper()
	s.wait("ready", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.ready) == 1
	})
}

// launch begins to watch root. The watching ends, and is checked to have ended, with the test.
func launch(t *testing.T, root string, change func(*Watcher)) *scene {
	t.Helper()
	o := Defaults()
	o.Quiet, o.Poll = time.Millisecond, 20*time.Millisecond
	s := &scene{recorder: newRecorder(), t: t, root: root, w: New(root, o)}
	s.w.rootEvery = 20 * time.Millisecond
	if change != nil {
		change(s.w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.w.Run(ctx, s.recorder) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
	})
	return s
}

// wait returns when ok is true, which is asked after everything reported, and now and then.
func (s *scene) wait(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-s.news:
		case <-again.C:
		case <-deadline.C:
			s.t.Fatalf("waiting for %s: reported %q, notices %v, rescans %v", what, s.all(), s.notices, s.rescans)
		}
	}
}

func (s *scene) waitDirty(paths ...string) {
	s.t.Helper()
	for _, path := range paths {
		s.wait(fmt.Sprintf("dirty %q", path), func() bool { return slices.Contains(s.all(), path) })
	}
}

// settle waits until everything that was done before is reported: a fresh mark at the root comes after it.
func (s *scene) settle() {
	s.t.Helper()
	s.marks++
	mark := fmt.Sprintf("mark-%d", s.marks)
	s.write(mark)
	s.waitDirty(mark)
}

// never fails if a path at or below one of those was reported.
func (s *scene) never(paths ...string) {
	s.t.Helper()
	for _, got := range s.all() {
		for _, path := range paths {
			if got == path || strings.HasPrefix(got, path+"/") {
				s.t.Errorf("reported %q, a stale name", got)
			}
		}
	}
}

func (s *scene) path(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

func (s *scene) write(name string) {
	s.t.Helper()
	must(s.t, os.WriteFile(s.path(name), []byte(name), 0o644))
}

func (s *scene) mkdir(name string) {
	s.t.Helper()
	must(s.t, os.MkdirAll(s.path(name), 0o755))
}

func (s *scene) rename(from, to string) {
	s.t.Helper()
	must(s.t, os.Rename(s.path(from), s.path(to)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// grow makes folders, with their parents, and files: names that end in a slash are folders.
func grow(t testing.TB, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(name), 0o644))
	}
}
