package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lockstep/reconcile/tree"
)

// What the source holds in TestSystemCallsFail before and after.
const (
	faultOld = "old version"
	faultNew = "new version, which is longer"
)

// TestSystemCallsFail lets single system calls of a pass fail, by strace(1):
// every name holds its old or its new version afterwards, no temp is left, and
// the next pass mends the rest.
//
// Scenarios: S3, S7, S21.
func TestSystemCallsFail(t *testing.T) {
	if dir := os.Getenv("LOCKSTEP_FAULTS"); dir != "" {
		faultyPass(t, dir)
		return
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	if err := exec.Command("strace", "-f", "true").Run(); err != nil {
		t.Skipf("strace does not work here: %v", err)
	}
	t.Parallel()
	for _, fault := range []string{ // when counts the calls of each thread
		"pwrite64:error=ENOSPC:when=4+", "ftruncate:error=EFBIG:when=1+", "fsync:error=EIO:when=1+",
		"syncfs:error=EIO:when=1+", "renameat2:error=EIO:when=1+2", "renameat2:error=EINVAL:when=1+2",
		"fchmod:error=EPERM:when=3+2", "utimensat:error=EIO:when=7+", "close:error=EDQUOT:when=20+3",
		"pread64:error=EIO:when=8+", "mkdirat:error=ENOSPC:when=2+", "symlinkat:error=ENOSPC:when=1+",
	} {
		t.Run(fault, func(t *testing.T) {
			dir := t.TempDir()
			faultyFiles(t, dir+"/source", faultOld)
			s := sourceAt(t, dir+"/source")
			r, err := OpenReplica(dir+"/replica", ReplicaOptions{})
			ok(t, err)
			equal(t, s, r)
			ok(t, r.Close())
			faultyFiles(t, dir+"/source", faultNew)
			write(t, dir+"/source/added/file", faultNew)

			call, _, _ := strings.Cut(fault, ":")
			cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+fault,
				os.Args[0], "-test.run=^TestSystemCallsFail$", "-test.v")
			cmd.Env = append(os.Environ(), "LOCKSTEP_FAULTS="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Error(err)
			}
			t.Logf("%s", out)
			oldOrNew(t, dir+"/replica")
			r = replicaAt(t, dir+"/replica", ReplicaOptions{})
			equal(t, s, r)
		})
	}
}

// faultyPass makes one pass in a process of which system calls fail.
func faultyPass(t *testing.T, dir string) {
	s, err := OpenSource(dir + "/source")
	if err != nil {
		t.Log(err) // a call that failed already
		return
	}
	r, err := OpenReplica(dir+"/replica", ReplicaOptions{})
	if err != nil {
		t.Log(err) // a call that failed already
		return
	}
	f, err := s.Folder(tree.Root)
	if err != nil {
		t.Log(err) // a call that failed already
		return
	}
	f.Close()
	did, problems := pass(t, s, r, tree.Root)
	t.Logf("did %d, problems %v", did, problems)
}

func faultyFiles(t *testing.T, source, content string) {
	for i := range 6 { // more than are synced one by one
		write(t, fmt.Sprint(source, "/small", i), content)
	}
	write(t, source+"/folder/file", content)
	write(t, source+"/big", strings.Repeat(content, 100_000))
	symlink := source + "/symlink"
	os.Remove(symlink)
	ok(t, os.Symlink(content, symlink))
}

// oldOrNew fails t for every file below the folder that is neither version as
// a whole, and for temps.
func oldOrNew(t *testing.T, replica string) {
	ok(t, filepath.WalkDir(replica, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), tempPrefix) {
			t.Errorf("left behind: %s", path)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		text := string(content)
		if d.Name() == "big" {
			text = strings.ReplaceAll(strings.ReplaceAll(text, faultNew, ""), faultOld, "")
			if text == "" && (len(content) == len(faultOld)*100_000 || len(content) == len(faultNew)*100_000) {
				return err
			}
		}
		if text != faultOld && text != faultNew {
			t.Errorf("%s holds %.50q of %d bytes", path, content, len(content))
		}
		return err
	}))
}
