package watcher

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A folder that cannot be read is left alone until it can. Root reads everything, so the test runs itself again as
// nobody.
func TestBlind(t *testing.T) {
	if os.Getuid() == 0 {
		const nobody = 65534
		folder := t.TempDir()
		must(t, os.Chown(folder, nobody, nobody))
		self, err := os.ReadFile("/proc/self/exe")
		must(t, err)
		binary := filepath.Join(folder, "test") // with a umask, nobody else may run the one that was built
		must(t, os.WriteFile(binary, self, 0o700))
		must(t, os.Chmod(binary, 0o755))
		cmd := exec.Command(binary, "-test.run=^TestBlind$", "-test.v")
		for up := folder; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
			must(t, os.Chmod(up, 0o755))
		}
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "TMPDIR="+folder)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as nobody: %v\n%s", err, out)
		}
		return
	}
	root := t.TempDir()
	grow(t, root, "secret/a/", "open/")
	must(t, os.Chmod(filepath.Join(root, "secret"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(root, "secret"), 0o700) })
	s := watch(t, root, nil)
	if c := s.w.Coverage(); c.Watched != 2 || c.Blind != 1 || s.count(Unwatchable) != 1 {
		t.Errorf("%+v, told %d times; want 2 watched and 1 blind", c, s.count(Unwatchable))
	}
	must(t, os.Chmod(s.path("secret"), 0o700))
	s.waitDirty("secret", "secret/a")
	s.wait("all watched", func() bool { c := s.w.Coverage(); return c.Watched == 4 && c.Blind == 0 })
	s.write("secret/a/f")
	s.waitDirty("secret/a/f")
	must(t, os.Chmod(s.path("secret"), 0)) // the watches live on
	s.settle()
	s.forget()
	must(t, os.Chmod(s.path("secret"), 0o700))
	s.write("secret/a/g")
	s.waitDirty("secret", "secret/a/g")
}
