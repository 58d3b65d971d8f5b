package e2e_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// soak makes [TestReal] larger and longer.
var soak = flag.Int("soak", 0, "mirror the whole Go distribution, and go through all bursts that many times")

// burst is something that happens in a working folder: a shell script that runs in the source.
type burst struct{ name, script string }

// history makes a git repository with two branches that differ in many files.
const history = `
git -c init.defaultBranch=main init -q repo; cd repo
for i in $(seq 30); do mkdir -p d$((i % 5)); for j in $(seq 10); do echo "$i $j" >> d$((i % 5))/f$j; done; git add .; git commit -qm "$i"; done
git checkout -q -b side HEAD~15; git rm -q -r d1; for i in $(seq 300); do echo $i > side$i; done; git add .; git commit -qm side; git checkout -q main`

// module makes a small program to build.
const module = `
mkdir -p module/inner; cd module
printf 'module example\n\ngo 1.26\n' > go.mod
printf 'package inner\n\nconst Answer = 1\n' > inner/inner.go
printf 'package main\n\nimport "example/inner"\n\nfunc main() { println(inner.Answer) }\n' > main.go`

// bursts happen one after the other.
var bursts = []burst{
	{"edits", `
		find go/strings go/net go/os -name '*.go' | head -n 300 | xargs sed -i 's/func /func  /'
		for f in go/fmt/*.go; do echo '// more' >> $f; done
		for f in go/sort/*.go; do : > $f; done; chmod -R g+w go/io; touch -d @1000000000.123456789 go/time/*.go`},
	{"checkout of branches", `cd repo; for i in 1 2 3; do git checkout -q side; git checkout -q main; done; git checkout -q side`},
	{"build", `
		cd module; mkdir -p tmp bin; export GOTMPDIR=$PWD/tmp GOFLAGS=-mod=mod
		for i in 1 2 3; do printf "package inner\n\nconst Answer = $i$$\n" > inner/inner.go; go build -o bin/example .; done; bin/example 2>answer`},
	{"renamed folders", `
		mv go/net go/network; for f in go/network/http/*.go; do echo '// below a new name' >> $f; done
		mv go/network/http go/http; mkdir -p go/network/http; echo new > go/network/http/file; echo more >> go/http/server.go
		mv go/os go/tmp; mv go/strings go/os; mv go/tmp go/strings; echo x >> go/os/strings.go; echo y >> go/strings/file.go`},
	{"stash", `
		cd repo; git checkout -q main; for f in d*/f*; do echo changed >> $f; done; echo untracked > untracked
		git stash -q -u; git checkout -q side; git checkout -q main; git stash pop -q`},
	{"garbage collection", `cd repo; git add .; git commit -qm more; git gc -q --aggressive --prune=now; git repack -a -d -q`},
	{"unpacking", `tar -C go -cf ../archive.tar crypto encoding; mkdir -p unpacked; tar -C unpacked -xf ../archive.tar; tar -C go -xf ../archive.tar`},
	{"removed and made again", `rm -rf go/cmd go/unicode; cp -a "$GOROOT"/src/cmd go/cmd; rm -rf unpacked/crypto; cp -a go/crypto unpacked/crypto`},
	{"links", `cp -al go/encoding linked; ln -sf ../go/fmt linked/fmt; echo both >> go/encoding/json/encode.go; rm -rf linked/xml; cp -a go/encoding/xml/. linked/`},
	{"everything at once", `
		(cd repo; git checkout -q side; git checkout -q main; git reset -q --hard HEAD~5) &
		(for i in $(seq 100); do echo $i > go/fmt/print.go; mv go/fmt go/fmt$i; mv go/fmt$i go/fmt; done) &
		(rm -rf unpacked; mkdir unpacked; tar -C unpacked -xf ../archive.tar) &
		(find go/cmd -name '*_test.go' -delete) &
		(for i in $(seq 50); do rm -rf churn; mkdir -p churn/a/b; echo $i > churn/a/b/c; rm -rf churn; echo $i > churn; done) &
		wait`},
}

// tampering is done to the replica behind the mirror's back.
const tampering = `
stamp=$(stat -c %y go/fmt/scan.go); tr f g < go/fmt/scan.go > ../other; cat ../other > go/fmt/scan.go; touch -d "$stamp" go/fmt/scan.go
rm -rf go/bufio go/errors/errors.go; mkdir -p extra/deep; echo extra > extra/deep/file; chmod 600 go/sort/sort.go; chmod 700 go/io
mkdir ../precious; echo precious > ../precious/log.go; rm -rf go/log; ln -s ../../precious go/log; ln -sfn elsewhere linked/fmt
rm repo/.git/HEAD; mkdir repo/.git/HEAD; touch -d @1 go/math; echo longer >> go/path/path.go`

// TestReal mirrors the source of the Go distribution, a git repository with history and a module while people work in them.
// After each burst the trees are equal by events alone; after tampering with the replica, by one pass.
func TestReal(t *testing.T) {
	for _, program := range []string{"git", "tar", "rsync"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not installed")
		}
	}
	place := roomyFolder(t)
	source, replica := filepath.Join(place, "source"), filepath.Join(place, "replica")
	rounds, copied := 1, "/src"
	if *soak > 0 {
		rounds, copied = *soak, ""
	}
	shell(t, place, `mkdir source; cp -a "$GOROOT`+copied+`" source/go; chmod -R u+w source/go`)
	if copied == "" {
		shell(t, source, `mv go distribution; mv distribution/src go`)
	}
	shell(t, source, history)
	shell(t, source, module)

	command := rig.Command(false, os.Getenv(binary), "--interval", "1h", "--log-file", filepath.Join(place, "log"), "--quiet", source, replica)
	command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	process, err := rig.Start(command, filepath.Join(place, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Logf("the mirror wrote:\n%s", process.Output())
		}
	})
	check(t, process.Ready())
	check(t, compare(source, replica))
	for range rounds {
		for _, b := range bursts {
			shell(t, source, b.script)
			if err := rig.Await(rig.Patience, func() error { return walk(source, replica) }); err != nil {
				t.Fatalf("after %s: %v", b.name, err)
			}
		}
		check(t, compare(source, replica))
	}
	log, err := process.Log()
	check(t, err)
	t.Logf("%d actions, %d passes, %d notices", bytes.Count(log, []byte(`"event":"acted"`)),
		bytes.Count(log, []byte(`"event":"pass_done"`)), bytes.Count(log, []byte(`"event":"notice"`)))

	shell(t, replica, tampering)
	check(t, process.Pass())
	check(t, compare(source, replica))
	if text, err := os.ReadFile(filepath.Join(place, "precious", "log.go")); err != nil || string(text) != "precious\n" {
		t.Errorf("outside of the replica: %q, %v", text, err)
	}
	check(t, process.Signal(syscall.SIGINT))
	if code, err := process.Exit(rig.StopWithin); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shell runs a script in folder and wants it to succeed.
func shell(t *testing.T, folder, script string) {
	t.Helper()
	command := rig.Command(false, "sh", "-euc", script)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOROOT="+goroot(t), "LC_ALL=C", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, output)
	}
}

func goroot(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("go", "env", "GOROOT").Output()
	check(t, err)
	return strings.TrimSpace(string(output))
}

// roomyFolder is a folder in memory if there is enough, because two large trees are quicker there; else one on disk.
func roomyFolder(t *testing.T) string {
	t.Helper()
	const memory, enough = "/dev/shm", 3 << 30
	var status unix.Statfs_t
	if err := unix.Statfs(memory, &status); err != nil || status.Bavail*uint64(status.Bsize) < enough {
		return t.TempDir()
	}
	folder, err := os.MkdirTemp(memory, "lockstep-e2e")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}
