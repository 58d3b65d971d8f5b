package reconcile_test

// The guard holds removals when what is mounted in the source is gone.

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lockstep/reconcile"
)

// mountWith mounts a file system with one file in it, until the test ends.
func mountWith(t *testing.T, path, file string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	must(t, os.MkdirAll(path, 0o755))
	if err := syscall.Mount("test", path, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(path, syscall.MNT_DETACH) })
	put(t, filepath.Join(path, file), "on it")
}

// unmount may be told for a moment that the mount is in use when nobody has
// anything open there.
func unmount(t *testing.T, path string) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); ; <-again.C {
		err := syscall.Unmount(path, 0)
		if err == nil {
			return
		}
		if err != syscall.EBUSY || time.Now().After(deadline) {
			t.Fatalf("unmount: %v", err)
		}
	}
}

// A file system inside the source that is unmounted leaves an empty folder.
//
// Scenarios: G6.
func TestMountGone(t *testing.T) {
	r := manyFiles(t, reconcile.Options{})
	mount := r.in("mounted")
	mountWith(t, mount, "folder/file")
	r.served(func(ctx context.Context) {
		r.wantEqual("with what is mounted")
		unmount(t, mount)
		r.dirty(ctx, "mounted", "mounted/folder", "mounted/folder/file")
		r.pass(ctx)
		wantHeld(t, r, reconcile.MountGone)
		if !exists(r.at("mounted/folder/file")) {
			t.Error("removed what was unmounted")
		}
		must(t, os.Remove(r.in("kept")))
		r.dirty(ctx, "kept")
		if exists(r.at("kept")) {
			t.Error("held a removal elsewhere")
		}
		mountWith(t, mount, "folder/file")
		must(t, os.RemoveAll(filepath.Join(mount, "folder")))
		report := r.pass(ctx)
		r.wantEqual("mounted again")
		if len(r.log.released) != 1 || !report.Equal {
			t.Errorf("released %v, report %+v", r.log.released, report)
		}
	})
}

// A file system that is mounted again as it was has nothing held any more.
//
// Scenarios: G6.
func TestMountBackAsItWas(t *testing.T) {
	r := manyFiles(t, reconcile.Options{})
	mount, aside := r.in("mounted"), t.TempDir()
	mountWith(t, mount, "file")
	t.Cleanup(func() { syscall.Unmount(aside, syscall.MNT_DETACH) })
	must(t, syscall.Mount(mount, aside, "", syscall.MS_BIND, ""))
	r.served(func(ctx context.Context) {
		unmount(t, mount)
		r.dirty(ctx, "mounted", "mounted/file")
		wantHeld(t, r, reconcile.MountGone)
		must(t, syscall.Mount(aside, mount, "", syscall.MS_BIND, ""))
		report := r.pass(ctx)
		r.wantEqual("mounted again")
		if held := r.mirror.Status().Held; len(held) != 0 || len(r.log.released) != 1 || !report.Equal {
			t.Errorf("held %v, released %v, report %+v", held, r.log.released, report)
		}
	})
}
