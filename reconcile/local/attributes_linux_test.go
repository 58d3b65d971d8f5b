package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/tree"
)

// diskAt makes a file system of so many bytes, and mounts it.
func diskAt(t *testing.T, size int64, options string) string {
	t.Helper()
	privileged(t)
	image, disk := t.TempDir()+"/image", t.TempDir()
	ok(t, os.WriteFile(image, nil, 0o600))
	ok(t, os.Truncate(image, size))
	if output, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v\n%s", err, output)
	}
	if output, err := exec.Command("mount", "-o", options, image, disk).CombinedOutput(); err != nil {
		t.Skipf("mount: %v\n%s", err, output)
	}
	t.Cleanup(func() { ok(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	return disk
}

// TestGroupOfTheFolder: a file system gives what is made in a folder the group of
// that folder. Scenarios: P9.
func TestGroupOfTheFolder(t *testing.T) {
	source, disk := t.TempDir(), diskAt(t, 8<<20, "loop,grpid")
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

// attribute gives the file or folder at path an attribute of so many bytes.
func attribute(t *testing.T, path, name string, size int) {
	t.Helper()
	ok(t, unix.Setxattr(path, name, bytes.Repeat([]byte("x"), size), 0))
}

// nameIn is the name that err begins with.
func nameIn(err error) string {
	name, _, _ := strings.Cut(err.Error(), ":")
	return name
}

// TestAttributeThatHasNoRoom: what bears an attribute that is too large for the
// replica's file system is brought over without that, and kept equal. Scenarios: P13.
func TestAttributeThatHasNoRoom(t *testing.T) {
	disk, source := diskAt(t, 16<<20, "loop"), t.TempDir()
	mountAt(t, "none", source, "tmpfs", 0, "")
	s, r := sourceAt(t, source), replicaAt(t, disk+"/replica", ReplicaOptions{})
	write(t, source+"/new", "content")
	write(t, source+"/old", "content")
	write(t, source+"/kept", "content")
	write(t, source+"/folder/file", "content")
	ok(t, os.Mkdir(source+"/known", 0o755))
	attribute(t, source+"/new", "user.huge", 10_000)
	attribute(t, source+"/new", "user.small", 10)
	attribute(t, source+"/folder", "user.huge", 10_000)
	all := []string{"folder", "new"}
	told := func(problems []error) bool { // of each once, and of a folder again when its time is put back
		slices.SortFunc(problems, func(a, b error) int { return strings.Compare(nameIn(a), nameIn(b)) })
		problems = slices.CompactFunc(problems, func(a, b error) bool { return nameIn(a) == nameIn(b) })
		return slices.EqualFunc(problems, all, func(err error, name string) bool {
			return nameIn(err) == strconv.Quote(name) && errors.Is(err, tree.ErrAttribute) && strings.Contains(err.Error(), `"user.huge" of 10000 bytes`)
		})
	}
	check := func(when string) {
		t.Helper()
		if _, problems := pass(t, s, r, tree.Root); !told(problems) {
			t.Errorf("%s: problems %v", when, problems)
		}
		if out, err := exec.Command("diff", "-r", source, disk+"/replica").CombinedOutput(); err != nil {
			t.Errorf("%s: %s", when, out)
		}
		if did, again := pass(t, s, r, tree.Root); did > 0 || !told(again) {
			t.Errorf("%s, again: did %d, %v", when, did, again)
		}
		if n, err := unix.Getxattr(disk+"/replica/new", "user.small", nil); n != 10 {
			t.Errorf("%s: the small attribute has %d bytes: %v", when, n, err)
		}
	}
	check("at first")
	for _, name := range []string{"old", "kept", "known"} {
		attribute(t, source+"/"+name, "user.huge", 10_000)
	}
	all = []string{"folder", "kept", "known", "new", "old"}
	ok(t, os.Chmod(source+"/known", 0o700))
	write(t, source+"/old", "longer than before")
	write(t, source+"/new", "longer than before")
	check("later")
	for _, name := range all {
		ok(t, unix.Removexattr(source+"/"+name, "user.huge"))
	}
	equal(t, s, r)
}

// TestAttributeOnAFullDisk: as long as the disk is full, no version comes without
// its attributes. Scenarios: S1.
func TestAttributeOnAFullDisk(t *testing.T) {
	disk, source := diskAt(t, 16<<20, "loop"), t.TempDir()
	s, r := sourceAt(t, source), replicaAt(t, disk+"/replica", ReplicaOptions{})
	write(t, source+"/file", "old")
	equal(t, s, r)
	write(t, source+"/file", "new")
	attribute(t, source+"/file", "user.large", 600) // more than an inode has room for
	fill, err := os.Create(disk + "/fill")
	ok(t, err)
	defer fill.Close()
	for size := 1 << 20; size > 0; { // down to the last byte
		if _, err := fill.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	_, problems := pass(t, s, r, tree.Root)
	if len(problems) != 1 || !errors.Is(problems[0], unix.ENOSPC) || errors.Is(problems[0], tree.ErrAttribute) {
		t.Errorf("problems %v", problems)
	}
	if content, err := os.ReadFile(disk + "/replica/file"); string(content) != "old" || err != nil {
		t.Errorf("%q, %v", content, err)
	}
	ok(t, os.Remove(disk+"/fill"))
	ok(t, fill.Close())
	equal(t, s, r)
}
