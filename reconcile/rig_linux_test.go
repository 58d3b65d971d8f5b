package reconcile_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/tree"
)

// rig is a source and a replica on this machine. Syncing the disk is left out,
// which says nothing about the engine and costs most of the time.
type rig struct {
	rapid.TB
	source, replica string
	src             *local.Source
	dst             tree.Replica
	log             *recorder
	options         reconcile.Options
	mirror          *reconcile.Mirror
}

type unflushed struct{ tree.Replica }

func (unflushed) Flush(context.Context) error { return nil }

// newRig makes a rig in dir, and a Mirror by options. close ends it.
func newRig(t rapid.TB, dir string, o reconcile.Options) *rig {
	t.Helper()
	r := &rig{TB: t, source: filepath.Join(dir, "source"), replica: filepath.Join(dir, "replica"), options: o}
	if err := os.MkdirAll(r.source, 0o755); err != nil {
		t.Fatal(err)
	}
	r.open()
	return r
}

// setUp is newRig for a test of its own.
func setUp(t *testing.T, o reconcile.Options) *rig {
	t.Helper()
	r := newRig(t, t.TempDir(), o)
	t.Cleanup(r.close)
	return r
}

func (r *rig) open() {
	r.Helper()
	src, err := local.OpenSource(r.source)
	if err != nil {
		r.Fatal(err)
	}
	dst, err := local.OpenReplica(r.replica, local.ReplicaOptions{Durability: local.NeverSync})
	if err != nil {
		src.Close()
		r.Fatal(err)
	}
	r.src, r.dst = src, unflushed{dst}
	r.renew()
}

func (r *rig) close() {
	r.src.Close()
	r.dst.Close()
}

// renew makes a new Mirror of the same folders.
func (r *rig) renew() {
	r.log = newRecorder()
	o := r.options
	o.Observer = r.log
	if o.Patience == 0 {
		o.Patience = 5 * time.Millisecond
	}
	r.mirror = reconcile.New(r.src, r.dst, o)
}

// serve runs body beside the workers of the Mirror, and no pass.
func (r *rig) serve(body func(context.Context)) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	err := r.mirror.Serve(ctx, func(ctx context.Context) error {
		body(ctx)
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
}

// dirty hands paths over and waits until nothing is dirty any more.
func (r *rig) dirty(ctx context.Context, paths ...string) {
	r.Helper()
	r.mirror.Dirty(paths, reconcile.ByWatch)
	r.idle(ctx)
}

func (r *rig) idle(ctx context.Context) {
	r.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.mirror.Idle(ctx); err != nil {
		r.Fatalf("queue does not get empty: %v; status %+v; problems %v", err, r.mirror.Status(), r.log.problems)
	}
}

func (r *rig) pass(ctx context.Context) reconcile.Report {
	r.Helper()
	report, err := r.mirror.Pass(ctx, reconcile.OnRequest)
	if err != nil {
		r.Fatalf("pass: %v", err)
	}
	return report
}

// once makes one pass by a new Mirror.
func (r *rig) once() reconcile.Report {
	r.Helper()
	r.renew()
	report, err := r.mirror.Once(context.Background())
	if err != nil {
		r.Fatalf("once: %v", err)
	}
	return report
}

// wantEqual fails unless both trees are equal.
func (r *rig) wantEqual(when string) {
	r.Helper()
	if differ := unequal(r, r.source, r.replica); differ != "" {
		r.Fatalf("%s the trees differ:\n%s", when, differ)
	}
}

// wantProof fails unless a pass finds the trees equal, and returns its digest.
func (r *rig) wantProof(ctx context.Context) tree.Digest {
	r.Helper()
	report := r.pass(ctx)
	if report.Drift != 0 || !report.Equal || report.Digest.IsZero() {
		r.Fatalf("pass over equal trees: %+v", report)
	}
	return report.Digest
}

// in returns the path of name in the source, at in the replica.
func (r *rig) in(name string) string { return filepath.Join(r.source, name) }
func (r *rig) at(name string) string { return filepath.Join(r.replica, name) }

// write puts files into the source: path, content, path, content.
func (r *rig) write(pairs ...string) {
	r.Helper()
	for i := 0; i < len(pairs); i += 2 {
		put(r, r.in(pairs[i]), pairs[i+1])
	}
}

// put writes a file, with the folders above it.
func put(t rapid.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t rapid.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
