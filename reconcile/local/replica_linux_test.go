package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
	"lockstep/reconcile/tree/treetest"
)

// privileged skips a test that needs root.
func privileged(t *testing.T) {
	t.Helper()
	if !at.Privileged() {
		t.Skip("needs root")
	}
}

// mountAt mounts and unmounts at the end of the test.
func mountAt(t *testing.T, what, where, kind string, flags uintptr, data string) {
	t.Helper()
	privileged(t)
	ok(t, os.MkdirAll(where, 0o755))
	if err := unix.Mount(what, where, kind, flags, data); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(where, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	ok(t, unix.Lstat(path, &st))
	return st.Blocks * 512
}

func TestHolesStayHoles(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	for name, data := range map[string]int64{"small": 100_000, "big": 64 << 20, "all hole": -1} {
		f, err := os.Create(source + "/" + name)
		ok(t, err)
		ok(t, f.Truncate(max(data*2, 32<<20)))
		if data >= 0 {
			_, err = f.WriteAt([]byte("data"), data)
			ok(t, err)
		}
		ok(t, f.Close())
	}
	started := time.Now()
	f, err := os.Create(source + "/huge")
	ok(t, err)
	ok(t, f.Truncate(10<<30))
	_, err = f.WriteAt([]byte("data"), 5<<30)
	ok(t, err)
	ok(t, f.Close())
	equal(t, s, r)
	t.Logf("10 GiB of hole: %v", time.Since(started))
	for _, name := range []string{"small", "big", "all hole", "huge"} {
		if got, want := blocks(t, replica+"/"+name), blocks(t, source+"/"+name); got > want {
			t.Errorf("%s takes up %d bytes, in the source %d", name, got, want)
		}
	}
}

func TestExtendedAttributes(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	write(t, source+"/folder/file", "x")
	write(t, source+"/plain/file", "x")
	set := func(path, name, value string) {
		t.Helper()
		if err := unix.Lsetxattr(path, name, []byte(value), 0); errors.Is(err, unix.ENOTSUP) {
			t.Skip("no extended attributes here")
		} else {
			ok(t, err)
		}
	}
	set(source+"/folder/file", "user.a", "1")
	set(source+"/folder/file", "user.b", "")
	set(source+"/folder", "user.folder", "\x00\xff")
	set(source+"/folder", tree.ACLDefault, sampleACL)
	set(source+"/folder/file", tree.ACLAccess, sampleACL)
	if at.Privileged() {
		set(source+"/folder/file", "trusted.t", "1")
		ok(t, unix.Symlink("text", source+"/symlink"))
		set(source+"/symlink", "trusted.t", "1")
		// VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE (linux/capability.h)
		set(source+"/plain/file", "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00"+strings.Repeat("\x00", 12))
		ok(t, os.Chown(source+"/folder/file", 1234, 5678))
		ok(t, os.Chmod(source+"/folder/file", 0o6755))
	}
	ok(t, os.Chmod(source+"/folder/file", 0o444))
	equal(t, s, r)
	// What is made in a folder with a default ACL does not keep what it got.
	write(t, source+"/folder/second", "x")
	ok(t, unix.Lremovexattr(source+"/folder/second", tree.ACLAccess))
	ok(t, os.Mkdir(source+"/folder/below", 0o700))
	ok(t, unix.Lremovexattr(source+"/folder/below", tree.ACLDefault))
	equal(t, s, r)
	// Changed, removed and added in the replica, without another time.
	ok(t, unix.Lsetxattr(replica+"/folder/file", "user.a", []byte("2"), 0))
	ok(t, unix.Lremovexattr(replica+"/folder/file", "user.b"))
	ok(t, unix.Lsetxattr(replica+"/folder/file", "user.c", nil, 0))
	if did, problems := pass(t, s, r, tree.Root); did != 1 || problems != nil {
		t.Errorf("did %d, %v", did, problems)
	}
	equal(t, s, r)
	if at.Privileged() {
		ok(t, os.Chown(replica+"/plain/file", 7, 7)) // takes the capability along
		equal(t, s, r)
	}
}

// Scenarios: S1.
func TestNoSpace(t *testing.T) {
	small := t.TempDir()
	mountAt(t, "none", small, "tmpfs", 0, "size=256k")
	source := t.TempDir()
	s := sourceAt(t, source)
	r := replicaAt(t, small+"/replica", ReplicaOptions{})
	write(t, source+"/file", "old")
	write(t, source+"/small", "x")
	equal(t, s, r)
	write(t, source+"/file", strings.Repeat("new", 200_000))
	write(t, source+"/small", "y")
	write(t, source+"/another", "z")
	_, problems := pass(t, s, r, tree.Root)
	if len(problems) != 1 || !errors.Is(problems[0], unix.ENOSPC) {
		t.Errorf("problems %v", problems)
	}
	for name, want := range map[string]string{"file": "old", "small": "y", "another": "z"} {
		if content, err := os.ReadFile(small + "/replica/" + name); string(content) != want || err != nil {
			t.Errorf("%s: %.20q, %v", name, content, err)
		}
	}
	if entries, err := os.ReadDir(small + "/replica"); err != nil || len(entries) != 3 {
		t.Errorf("left: %v, %v", entries, err)
	}
	ok(t, unix.Mount("none", small, "tmpfs", unix.MS_REMOUNT, "size=4m"))
	equal(t, s, r)
}

// Scenarios: T18.
func TestMountInside(t *testing.T) {
	outside := t.TempDir()
	write(t, outside+"/file", "outside")
	s, source, r, replica := sourceAndReplica(t)
	write(t, source+"/kept/file", "x")
	write(t, source+"/kept/mnt/file", "x")
	write(t, source+"/other", "x")
	mountAt(t, outside, replica+"/extra/below/mnt", "", unix.MS_BIND, "")
	mountAt(t, outside, replica+"/kept/mnt", "", unix.MS_BIND, "")
	write(t, replica+"/extra/goes", "x")
	write(t, replica+"/extra/below/goes", "x")
	_, problems := pass(t, s, r, tree.Root)
	for _, err := range problems {
		if !errors.Is(err, tree.ErrMount) {
			t.Errorf("problem %v", err)
		}
	}
	if len(problems) < 2 {
		t.Errorf("problems %v", problems)
	}
	for _, name := range []string{"/extra/goes", "/extra/below/goes"} {
		if _, err := os.Lstat(replica + name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"/kept/file", "/other", "/extra/below/mnt/file"} {
		if _, err := os.Lstat(replica + name); err != nil {
			t.Error(err)
		}
	}
	// A file can be a mount point, too.
	write(t, source+"/bound", "new")
	write(t, replica+"/bound", "old")
	ok(t, unix.Mount(outside+"/file", replica+"/bound", "", unix.MS_BIND, ""))
	defer unix.Unmount(replica+"/bound", unix.MNT_DETACH)
	if _, problems := pass(t, s, r, tree.Root); !slices.ContainsFunc(problems, func(err error) bool {
		return strings.Contains(err.Error(), "bound") && errors.Is(err, tree.ErrMount)
	}) {
		t.Errorf("problems %v", problems)
	}
	// Replaced by a file: nothing of it is touched, for the mount is in it.
	write(t, replica+"/extra/again", "x")
	out := r.Apply(context.Background(), []tree.Action{{
		Kind: tree.Create, Path: "extra", Over: tree.Folder, Want: tree.Entry{Kind: tree.Symlink, Link: "x"},
	}})[0]
	if !errors.Is(out.Err, tree.ErrMount) {
		t.Errorf("replaced: %+v", out)
	}
	if _, err := os.Lstat(replica + "/extra/again"); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(outside + "/file"); string(content) != "outside" {
		t.Errorf("outside: %q, %v", content, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

// Scenarios: S14.
func TestImmutable(t *testing.T) {
	privileged(t)
	s, source, r, replica := sourceAndReplica(t)
	write(t, source+"/file", "old")
	write(t, source+"/other", "old")
	equal(t, s, r)
	if out, err := exec.Command("chattr", "+i", replica+"/file").CombinedOutput(); err != nil {
		t.Skipf("chattr: %v: %s", err, out)
	}
	defer exec.Command("chattr", "-i", replica+"/file").Run()
	write(t, source+"/file", "new")
	write(t, source+"/other", "new")
	_, problems := pass(t, s, r, tree.Root)
	if len(problems) != 1 || !errors.Is(problems[0], unix.EPERM) {
		t.Errorf("problems %v", problems)
	}
	if entries, err := os.ReadDir(replica); err != nil || len(entries) != 2 {
		t.Errorf("left: %v, %v", entries, err)
	}
	ok(t, exec.Command("chattr", "-i", replica+"/file").Run())
	equal(t, s, r)
}

// TestLockedFolders is work, as an ordinary user, in folders of the replica
// whose mode does not allow it.
func TestLockedFolders(t *testing.T) {
	if !treetest.AsUser(t) {
		return
	}
	s, source, r, replica := sourceAndReplica(t)
	for _, mode := range []fs.FileMode{0o555, 0o500, 0o700} {
		folder := fmt.Sprintf("/%o", mode)
		write(t, source+folder+"/a/b/file", "1")
		write(t, source+folder+"/file", "1")
		ok(t, os.Symlink("text", source+folder+"/symlink"))
		ok(t, os.Chmod(source+folder+"/a", mode))
		ok(t, os.Chmod(source+folder, mode))
	}
	equal(t, s, r)
	modes := func() {
		t.Helper()
		for _, path := range []string{"/555", "/555/a", "/500", "/500/a", "/700"} {
			want, err := os.Lstat(source + path)
			ok(t, err)
			if have, err := os.Lstat(replica + path); err != nil || have.Mode() != want.Mode() {
				t.Errorf("%s: mode %v, %v", path, have.Mode(), err)
			}
		}
	}
	modes()
	for _, folder := range []string{"/555", "/500"} {
		write(t, source+folder+"/a/b/file", "2")
		ok(t, os.Chmod(source+folder, 0o700))
		write(t, source+folder+"/new", "1")
		ok(t, os.Remove(source+folder+"/symlink"))
		ok(t, os.Chmod(source+folder, 0o555))
	}
	ok(t, os.Chmod(source+"/500", 0o500))
	equal(t, s, r)
	modes()
	// Tampered with until nothing could be seen, and to be removed.
	for _, path := range []string{"/555/a/b", "/555/a", "/555", "/500/a", "/500"} {
		ok(t, os.Chmod(replica+path, 0))
	}
	ok(t, os.Chmod(source+"/500", 0o700))
	ok(t, os.Chmod(source+"/500/a", 0o700))
	ok(t, os.RemoveAll(source+"/500"))
	_, problems := pass(t, s, r, tree.Root)
	if problems != nil {
		t.Error(problems)
	}
	equal(t, s, r)
	if len(r.lent.lent) > 0 || r.lent.any.Load() != 0 {
		t.Errorf("still lent: %v", r.lent.lent)
	}
	ok(t, filepath.WalkDir(filepath.Dir(source), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700) // for the end of the test
		}
		return err
	}))
}

// TestFewDescriptors copies, compares and removes with the descriptors that
// ulimit -n 64 leaves.
//
// Scenarios: S10.
func TestFewDescriptors(t *testing.T) {
	if os.Getenv("LOCKSTEP_FEW") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFewDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), "LOCKSTEP_FEW=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ok(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}))
	path := t.TempDir()
	r := replicaAt(t, path, ReplicaOptions{})
	s := treetest.NewSource()
	var actions []tree.Action
	for i := range 200 {
		folder := tree.Path(fmt.Sprint("folder", i))
		s.AddFolder(folder)
		actions = append(actions, tree.Action{Kind: tree.Create, Path: folder, Want: s.Entry(folder)})
	}
	for i := range 1000 { // each in another folder than the one before
		file := tree.Path(fmt.Sprintf("folder%d/%d", i%200, i))
		s.File(file, fmt.Sprint(i))
		actions = append(actions, tree.Action{Kind: tree.Copy, Path: file, Want: s.Entry(file), Open: s.Opener(file)})
	}
	for i, out := range r.Apply(context.Background(), actions) {
		if out.Err != nil {
			t.Fatalf("%q: %v", actions[i].Path, out.Err)
		}
	}
	treetest.Peek(path).Want(t, s.Describe())
	actions = actions[:0]
	for i := range 200 {
		actions = append(actions, tree.Action{Kind: tree.Remove, Path: tree.Path(fmt.Sprint("folder", i)), Over: tree.Folder})
	}
	for _, out := range r.Apply(context.Background(), actions) {
		if out.Err != nil || out.Removed != 6 {
			t.Fatalf("%+v", out)
		}
	}
}

// TestAnyTreeOverAnyTree makes one random tree of another, again and again.
func TestAnyTreeOverAnyTree(t *testing.T) {
	s, source, r, replica := sourceAndReplica(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		grow(t, random, source, 3)
		if random.IntN(2) == 0 {
			grow(t, random, replica, 3)
		}
		equal(t, s, r)
		if out, err := exec.Command("diff", "-r", "--no-dereference", source, replica).CombinedOutput(); err != nil {
			if !strings.Contains(string(out), "is a fifo while") {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
}

// grow changes a few names of a folder at random.
func grow(t *testing.T, random *rand.Rand, folder string, depth int) {
	for range random.IntN(6) {
		path := filepath.Join(folder, string(rune('a'+random.IntN(5))))
		info, err := os.Lstat(path)
		if err == nil && info.IsDir() && random.IntN(3) > 0 && depth > 0 {
			grow(t, random, path, depth-1)
			continue
		}
		ok(t, os.RemoveAll(path))
		switch random.IntN(6) {
		case 0:
			ok(t, os.Symlink("to "+fmt.Sprint(random.IntN(3)), path))
		case 1:
			ok(t, unix.Mkfifo(path, 0o640))
		case 2, 3:
			ok(t, os.Mkdir(path, 0o750))
			if depth > 0 {
				grow(t, random, path, depth-1)
			}
		case 4:
			ok(t, os.WriteFile(path, make([]byte, random.IntN(1<<21)), 0o600))
		default:
			ok(t, os.WriteFile(path, []byte(fmt.Sprint(random.IntN(3))), 0o644))
		}
	}
}
