//go:build linux

package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pairFolders makes what the tables below speak of and returns its root.
func pairFolders(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"src/sub/deep", "replica/sub", "other", "src-2", "logs"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(root+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	for link, text := range map[string]string{
		"to-src": "src", "to-sub": root + "/src/sub", "to-replica": "replica", "nowhere": "missing/there",
	} {
		if err := os.Symlink(text, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", root+"/other")
	return root
}

// pairCase holds paths below the root; what they begin with "/" stays.
type pairCase struct {
	source, replica, log string
	want                 string // part of What; "" when nothing is refused
}

func (c pairCase) check(t *testing.T, root string) {
	t.Helper()
	under := func(path string) string {
		if path == "" || strings.HasPrefix(path, "/") {
			return path
		}
		return root + "/" + path
	}
	before := listAll(t, root)
	err := CheckPair(under(c.source), under(c.replica), under(c.log))
	var refusal *Refusal
	switch {
	case c.want == "" && err != nil:
		t.Errorf("%+v: refused: %v", c, err)
	case c.want == "":
	case !errors.As(err, &refusal):
		t.Errorf("%+v: got error %v", c, err)
	case !strings.Contains(refusal.What, c.want) || refusal.Hint == "" || strings.Contains(refusal.What+refusal.Hint, "\n"):
		t.Errorf("%+v: refused with %+v", c, refusal)
	}
	if after := listAll(t, root); after != before {
		t.Errorf("%+v: made %s of %s", c, after, before)
	}
}

func listAll(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		all.WriteString(path + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Scenarios: T12, T22.
func TestCheckPair(t *testing.T) {
	root := pairFolders(t)
	t.Chdir(root)
	for _, logFile := range []string{"src/log", "src/./log", "to-sub/../log"} {
		if err := CheckPair("src", "replica", logFile); err == nil {
			t.Errorf("log file %q was not refused", logFile)
		}
	}
	if err := CheckPair("src", "./src/", ""); err == nil {
		t.Error("relative paths to one folder were not refused")
	}
	for _, c := range []pairCase{
		{"src", "replica", "", ""},
		{"src", "src-2", "", ""},
		{"src", "new/er", "logs/log", ""},
		{"to-src", "to-replica", "new-logs/log", ""},
		{"src/sub", "src-2", "src/log", ""},

		{"src", "src", "", "same folder"},
		{"src", "src/", "", "same folder"},
		{"src", "src/sub/..", "", "same folder"},
		{"src", "to-src", "", "same folder"},
		{"src", "src/sub", "", "inside the source"},
		{"src", "src/new", "", "inside the source"},
		{"src", "src/sub/deep/new/er", "", "inside the source"},
		{"src", "to-sub", "", "inside the source"},
		{"src", "to-sub/new", "", "inside the source"},
		{"replica/sub", "replica", "", "inside the replica"},
		{"to-sub", "src", "", "inside the replica"},

		{"missing", "replica", "", "does not exist"},
		{"src", "missing/../new", "", "cannot be opened"},
		{"to-sub/..", "src", "", "same folder"},
		{"nowhere", "replica", "", "leads nowhere"},
		{"file", "replica", "", "not a folder"},
		{"fifo", "replica", "", "not a folder"},
		{"file/x", "replica", "", "cannot be opened: not a directory"},
		{"src", "file", "", "not a folder"},
		{"src", "fifo", "", "not a folder"},
		{"src", "file/x", "", "cannot be opened"},
		{"src", "nowhere", "", "leads nowhere"},
		{"src", "nowhere/x", "", "leads nowhere"},
		{"src", "/", "", "the root folder"},
		{"src", "other", "", "is your home folder"},
		{"src", "other/new", "", ""},
		{"/", "replica", "", "inside the source"},
		{"/proc", "replica", "", "running system"},
		{"/proc/self", "replica", "", "running system"},
		{"/sys", "replica", "", "running system"},
		{"src", "/proc/self/fd", "", "running system"},
		{"src", "/sys/x", "", "running system"},

		{"src", "replica", "src/log", "inside the source"},
		{"src", "replica", "src/sub/new/log", "inside the source"},
		{"src", "replica", "to-sub/log", "inside the source"},
		{"src", "replica", "replica/log", "inside the replica"},
		{"src", "replica", "to-replica/x/log", "inside the replica"},
		{"src", "new", "new/log", "inside the replica"},
		{"src", "new", "new/er/log", "inside the replica"},
		{"src", "new/er", "new/log", ""},
		{"src", "new", "new", "folder of the mirror"},
		{"src", "new", "newer/log", ""},
		{"src", "replica", "file/log", ""},
	} {
		c.check(t, root)
	}
}

func TestCheckPairThroughMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for bind mounts")
	}
	root := pairFolders(t)
	bind := func(from, to string) {
		t.Helper()
		if err := os.MkdirAll(root+"/"+to, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(root+"/"+from, root+"/"+to, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(root+"/"+to, unix.MNT_DETACH) })
	}
	bind("src", "bind src")
	bind("src/sub", "bind-sub")
	bind("replica/sub", "bind-replica-sub")
	bind("replica", "src-2/in")
	for _, c := range []pairCase{
		{"src", "replica", "", ""},
		{"src", "bind src", "", "same folder"},
		{"bind src", "src", "", "same folder"},
		{"src", "bind src/sub", "", "inside the source"},
		{"src", "bind-sub", "", "inside the source"},
		{"src", "bind-sub/deep", "", "inside the source"},
		{"src", "bind-sub/new", "", "inside the source"},
		{"bind src", "bind-sub/new", "", "inside the source"},
		{"bind-replica-sub", "replica", "", "inside the replica"},
		{"src-2", "replica", "", "mounted inside the source"},
		{"src-2", "replica/new", "", "mounted inside the source"},
		{"src-2", "bind-replica-sub", "", "mounted inside the source"},
		{"src", "replica", "bind-sub/deep/log", "inside the source"},
		{"src", "replica", "bind-replica-sub/log", "inside the replica"},
		{"bind-sub", "replica", "bind src/log", ""},
	} {
		c.check(t, root)
	}
}

// Scenarios: T12.
func TestCheckReplicaAlone(t *testing.T) {
	root := pairFolders(t)
	t.Setenv("HOME", root+"/replica/sub")
	for path, want := range map[string]string{
		"/": "is the root folder", root + "/replica/sub": "is your home folder", root + "/replica": "holds your home folder",
		root + "/file": "not a folder", "/proc": "running system", root + "/src": "", root + "/replica/sub/new": "",
	} {
		err := CheckReplica(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// Scenarios: T6, T7.
func TestCheckApart(t *testing.T) {
	root := pairFolders(t)
	for _, c := range []struct {
		source, replica string
		apart           bool
	}{
		{"src", "replica", true},
		{"missing", "replica", true},
		{"src", "missing", true},
		{"src", "to-sub", false},
		{"to-sub", "src", false},
		{"src", "to-src", false},
	} {
		var refusal *Refusal
		if err := CheckApart(root+"/"+c.source, root+"/"+c.replica); c.apart != (err == nil) || !c.apart && !errors.As(err, &refusal) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Scenarios: T9.
func TestCheckPairSymlinkOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make one")
	}
	root := pairFolders(t)
	if err := os.Lchown(root+"/to-replica", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, replica := range []string{"to-replica", "to-replica/", "to-replica/sub", "to-replica/new"} {
		pairCase{"src", replica, "", "symlink"}.check(t, root)
	}
}

func TestParseMounts(t *testing.T) {
	const text = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 24 0:27 /a\040b /mnt/tab\011and\134 rw - btrfs /dev/x rw,subvol=/a
broken
x 24 0:27 / / rw - ext4 /dev/x rw
`
	got := parseMounts(text)
	want := mountTable{
		{24, "254:0", "/", "/", "ext4"},
		{31, "0:27", "/a b", "/mnt/tab\tand\\", "btrfs"},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestResolve(t *testing.T) {
	root := pairFolders(t)
	for path, want := range map[string]string{
		"src": "src", "src/": "src", "to-sub/../sub/x": "src/sub/x", "to-src/new/er": "src/new/er", "new": "new",
	} {
		if got, err := Resolve(root + "/" + path); err != nil || got != root+"/"+want {
			t.Errorf("Resolve(%q) is %q, %v", path, got, err)
		}
	}
	if _, err := Resolve(root + "/nowhere"); !errors.Is(err, errDangling) {
		t.Errorf("dangling: %v", err)
	}
}
