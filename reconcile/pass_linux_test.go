package reconcile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// stamped makes the same tree in whatever order steps come.
var stamped = []func(t *testing.T, r *rig){
	func(t *testing.T, r *rig) { r.write("a/file", "content") },
	func(t *testing.T, r *rig) { r.write("a/b/file", strings.Repeat("x", 3<<20)) },
	func(t *testing.T, r *rig) { r.write("empty", "") },
	func(t *testing.T, r *rig) { must(t, os.Symlink("a/file", r.in("link"))) },
	func(t *testing.T, r *rig) { must(t, syscall.Mkfifo(r.in("fifo"), 0o600)) },
	func(t *testing.T, r *rig) {
		r.write("one", "linked")
		must(t, os.Link(r.in("one"), r.in("two")))
	},
}

// stamp gives everything in the source one time.
func stamp(t *testing.T, r *rig) {
	t.Helper()
	for path := range snapshot(t, r.source) {
		var times [2]syscall.Timespec
		times[0].Sec, times[1].Sec = 1e9, 1e9
		must(t, lutimes(r.in(path), times))
	}
}

func digestOf(t *testing.T, r *rig) tree.Digest {
	t.Helper()
	report := r.once()
	if !report.Equal || report.Digest.IsZero() {
		t.Fatalf("report %+v", report)
	}
	return report.Digest
}

func TestDigestIsTheSameForEqualTrees(t *testing.T) {
	forward, backward := setUp(t, reconcile.Options{}), setUp(t, reconcile.Options{Workers: 4})
	for i := range stamped {
		stamped[i](t, forward)
		stamped[len(stamped)-1-i](t, backward)
	}
	stamp(t, forward)
	stamp(t, backward)
	first := digestOf(t, forward)
	for name, other := range map[string]tree.Digest{
		"made in another order": digestOf(t, backward), "nothing to repair": digestOf(t, forward),
	} {
		if other != first {
			t.Errorf("%s: %v, want %v", name, other, first)
		}
	}
	// However it comes about that a file is read: in the comparison or to
	// repair it.
	put(t, forward.at("a/file"), "tnetnoc")
	must(t, os.Remove(forward.at("two")))
	must(t, os.RemoveAll(forward.at("a/b")))
	if again := digestOf(t, forward); again != first {
		t.Errorf("after repairs: %v, want %v", again, first)
	}
	forward.options.Method = tree.ByMetadata
	if report := forward.once(); report.Drift != 0 {
		t.Errorf("by metadata: %+v", report)
	}
}

func TestDigestTellsTreesApart(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	for _, step := range stamped {
		step(t, r)
	}
	stamp(t, r)
	seen := map[tree.Digest]string{digestOf(t, r): "nothing"}
	at := time.Unix(1e9, 0)
	for _, change := range []struct {
		what string
		do   func() error
	}{
		{"content", func() error { put(t, r.in("a/file"), "tnetnoc"); return os.Chtimes(r.in("a/file"), at, at) }},
		{"mode", func() error { return os.Chmod(r.in("a/file"), 0o604) }},
		{"mode of a folder", func() error { return os.Chmod(r.in("a"), 0o705) }},
		{"time", func() error { return os.Chtimes(r.in("a/file"), at, at.Add(1)) }},
		{"time of the root", func() error { return os.Chtimes(r.source, at, at.Add(1)) }},
		{"xattr", func() error { return syscall.Setxattr(r.in("a/file"), "user.a", []byte("1"), 0) }},
		{"xattr value", func() error { return syscall.Setxattr(r.in("a/file"), "user.a", []byte("2"), 0) }},
		{"xattr of a folder", func() error { return syscall.Setxattr(r.in("a"), "user.a", []byte("1"), 0) }},
		{"symlink text", func() error { os.Remove(r.in("link")); return os.Symlink("b/file", r.in("link")) }},
		{"name", func() error { return os.Rename(r.in("empty"), r.in("empty2")) }},
		{"names of a file", func() error {
			os.Remove(r.in("two"))
			return os.WriteFile(r.in("two"), []byte("linked"), 0o644)
		}},
		{"kind", func() error { os.Remove(r.in("fifo")); return os.Mkdir(r.in("fifo"), 0o600) }},
		{"folder", func() error { return os.Mkdir(r.in("a/new"), 0o755) }},
	} {
		must(t, change.do())
		if !strings.HasPrefix(change.what, "time") { // where only the class in question may tell
			stamp(t, r)
		}
		digest := digestOf(t, r)
		if before, known := seen[digest]; known {
			t.Errorf("%s: same digest as after %s", change.what, before)
		}
		seen[digest] = change.what
	}
}

// Scenarios: P1, P2, G7.
func TestWhatCannotBeReadIsKept(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	r := setUp(t, reconcile.Options{})
	r.write("file", "content", "folder/file", "content", "folder/sub/file", "content", "other", "content")
	t.Cleanup(func() { os.Chmod(r.in("folder"), 0o755) })
	r.serve(func(ctx context.Context) {
		r.pass(ctx)
		must(t, os.Remove(r.in("folder/sub/file")))
		r.write("file", "changed")
		must(t, os.Chmod(r.in("file"), 0))
		must(t, os.Chmod(r.in("folder"), 0))
		r.write("other", "goes on")
		report := r.pass(ctx)
		if report.Problems != 2 || report.Equal || !report.Digest.IsZero() {
			t.Errorf("report %+v", report)
		}
		if read(t, r.at("file")) != "content" || read(t, r.at("other")) != "goes on" {
			t.Error("what cannot be read changed, or the rest did not")
		}
		r.pass(ctx)
		if n := len(r.log.problems); n != 2 {
			t.Errorf("told %d problems in two passes: %v", n, r.log.problems)
		}
		if n := r.mirror.Status().Problems; n != 2 {
			t.Errorf("%d problems in the status", n)
		}
		must(t, os.Chmod(r.in("file"), 0o644))
		must(t, os.Chmod(r.in("folder"), 0o755))
		report = r.pass(ctx)
		r.idle(ctx)
		r.wantEqual("readable again")
		slices.Sort(r.log.solved)
		if !slices.Equal(r.log.solved, []tree.Path{"file", "folder"}) || !r.pass(ctx).Equal {
			t.Errorf("solved %q; report %+v; status %+v", r.log.solved, report, r.mirror.Status())
		}
	})
}

// A file that is written all the time is followed, and holds up nobody.
//
// Scenarios: C3.
func TestFileThatNeverRests(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	r.write("log", strings.Repeat("line\n", 1<<18), "other", "1")
	var writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		f, err := os.OpenFile(r.in("log"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for {
			select {
			case <-stop:
				return
			default:
				f.WriteString("line\n")
			}
		}
	})
	defer writer.Wait()
	defer sync.OnceFunc(func() { close(stop) })()
	r.serve(func(ctx context.Context) {
		r.mirror.Dirty([]string{"log", "other"}, reconcile.ByWatch)
		seen := func(path tree.Path) func() bool {
			return func() bool {
				return slices.ContainsFunc(r.log.acted, func(a reconcile.Acted) bool { return a.Path == path })
			}
		}
		begun := time.Now()
		r.log.await(t, "the other file", seen("other"))
		if waited := time.Since(begun); waited > time.Second {
			t.Errorf("the other file waited %v", waited)
		}
		r.log.await(t, "the file that never rests", seen("log"))
		if text := read(t, r.at("log")); !strings.HasPrefix(text, "line\n") || len(text) < 5<<18 {
			t.Errorf("%d bytes were published", len(text))
		}
	})
}

func TestPassEndsWithItsContext(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	for _, name := range []string{"a", "b", "c", "d"} {
		must(t, os.MkdirAll(r.in(name), 0o755))
		must(t, os.WriteFile(r.in(filepath.Join(name, "big")), make([]byte, 64<<20), 0o644))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := r.mirror.Once(ctx)
		ended <- err
	}()
	r.log.await(t, "the pass", func() bool { return len(r.log.started) > 0 })
	cancel()
	begun := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if waited := time.Since(begun); waited > 2*time.Second {
		t.Errorf("ended after %v", waited)
	}
	if len(r.log.done) > 0 {
		t.Error("a pass that was broken off was told as done")
	}
}

// Scenarios: T7.
func TestReplicaMovedIntoTheSource(t *testing.T) {
	r := setUp(t, reconcile.Options{Interval: time.Hour})
	r.write("file", "content")
	ended := make(chan error, 1)
	go func() { ended <- r.mirror.Run(t.Context()) }()
	r.log.await(t, "the first pass", func() bool { return len(r.log.done) > 0 })
	must(t, os.Rename(r.replica, r.in("replica")))
	must(t, os.Mkdir(r.replica, 0o755))
	must(t, os.Remove(r.replica))
	must(t, os.Symlink(r.in("replica"), r.replica)) // so that its root is where it was
	r.mirror.RequestPass(reconcile.OnRequest)
	select {
	case err := <-ended:
		if !errors.Is(err, reconcile.ErrOverlap) {
			t.Errorf("error %v", err)
		}
	case <-time.After(patience):
		t.Fatal("goes on")
	}
}

// The source may come to lie in what is about to be removed while a pass goes on.
//
// Scenarios: T6.
func TestSourceMovedIntoTheReplica(t *testing.T) {
	var looks atomic.Int32
	r := setUp(t, reconcile.Options{Interval: time.Hour, Apart: func() error {
		if looks.Add(1) == 1 {
			return nil
		}
		return errors.New("the source is in the replica")
	}})
	r.write("file", "content")
	put(t, r.at("extra/file"), "content")
	if err := r.mirror.Run(t.Context()); !errors.Is(err, reconcile.ErrOverlap) {
		t.Errorf("error %v", err)
	}
	if read(t, r.at("extra/file")) != "content" {
		t.Error("what may hold the source was removed")
	}
}

// Scenarios: R11.
func TestPassEndsWhileSomebodyTampers(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	for i := range 50 {
		r.write(filepath.Join("folder", string(rune('a'+i%26)), string(rune('a'+i/26))), "content")
	}
	r.once()
	var tamperer sync.WaitGroup
	stop := make(chan struct{})
	tamperer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := r.at(filepath.Join("folder", string(rune('a'+i%26)), "a"))
			os.WriteFile(name, []byte("tampered"), 0o644)
			os.Mkdir(r.at("extra"), 0o755)
			os.WriteFile(r.at("extra/file"), nil, 0o644)
		}
	})
	for range 3 {
		r.once() // fails unless it ends
	}
	close(stop)
	tamperer.Wait()
	r.once()
	r.wantEqual("afterwards")
}
