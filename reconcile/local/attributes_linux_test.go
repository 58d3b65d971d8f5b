package local

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// TestGroupOfTheFolder: a file system gives what is made in a folder the group of
// that folder. Scenarios: P9.
func TestGroupOfTheFolder(t *testing.T) {
	privileged(t)
	source, image, disk := t.TempDir(), t.TempDir()+"/image", t.TempDir()
	ok(t, os.WriteFile(image, nil, 0o600))
	ok(t, os.Truncate(image, 8<<20))
	if output, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v\n%s", err, output)
	}
	if output, err := exec.Command("mount", "-o", "loop,grpid", image, disk).CombinedOutput(); err != nil {
		t.Skipf("mount: %v\n%s", err, output)
	}
	t.Cleanup(func() { ok(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	write(t, source+"/folder/file", "content")
	ok(t, os.Mkdir(source+"/folder/below", 0o755))
	ok(t, os.Symlink("text", source+"/folder/link"))
	ok(t, os.Chown(source+"/folder", 1000, 1000))

	s, r := sourceAt(t, source), replicaAt(t, disk+"/replica", ReplicaOptions{Durability: NeverSync})
	if _, problems := pass(t, s, r, tree.Root); problems != nil {
		t.Error(problems)
	}
	f := folderOf(t, s, "folder")
	entries, err := f.List()
	ok(t, err)
	c, err := r.Compare(context.Background(), tree.Subject{Path: "folder", Folder: f, Entries: entries})
	if err != nil || len(c.Drift) > 0 {
		t.Errorf("what was just made differs: %+v, %v", c.Drift, err)
	}
}
