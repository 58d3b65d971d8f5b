package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// binary is the lockstep to test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	syscall.Umask(rig.Umask)
	folder, err := os.MkdirTemp("", "lockstep-remote")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if binary, err = rig.Build(context.Background(), folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// side is one machine: a home of its own, with a key.
type side struct {
	t    testing.TB
	home string
	// prefix puts a command into a network namespace.
	prefix []string
}

func newSide(t testing.TB) *side { return &side{t: t, home: t.TempDir()} }

// command returns lockstep with arguments on that side.
func (s *side) command(arguments ...string) *exec.Cmd {
	words := append(append(s.prefix[:len(s.prefix):len(s.prefix)], binary), arguments...)
	command := rig.Command(false, words[0], words[1:]...)
	command.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH")}
	return command
}

// id returns the side's ID.
func (s *side) id() string {
	s.t.Helper()
	output, err := s.command("id").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

// start runs lockstep until the test ends.
func (s *side) start(name string, extra []string, arguments ...string) *rig.Process {
	s.t.Helper()
	log := filepath.Join(s.home, name+".log")
	command := s.command(append([]string{"--log-file", log, "--log-level", "debug"}, arguments...)...)
	if len(arguments) > 0 && arguments[0] == "serve" {
		command = s.command(append([]string{"serve", "--log-file", log}, arguments[1:]...)...)
	}
	command.Env = append(command.Env, extra...)
	p, err := rig.Start(command, log)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Kill)
	return p
}

// once makes one pass and returns the exit code and what was said.
func (s *side) once(extra []string, arguments ...string) (int, string) {
	s.t.Helper()
	command := s.command(append([]string{"--once", "--log-file", filepath.Join(s.home, "once.log")}, arguments...)...)
	command.Env = append(command.Env, extra...)
	output, err := command.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		s.t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(output)
}

// freePort returns a port of the loopback that nobody has.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// served starts a server for folder that admits the clients, and returns it
// with its URL.
func served(t testing.TB, server *side, folder, address string, clients ...*side) (*rig.Process, string) {
	t.Helper()
	arguments := []string{"serve", "--listen", address}
	for _, c := range clients {
		arguments = append(arguments, "--allow", c.id())
	}
	p := server.start("serve", nil, append(arguments, folder)...)
	if err := p.AwaitLog(regexp.MustCompile(`"class":"serving"`)); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	return p, "lockstep://" + server.id() + "@" + address
}

// sample makes a small source with something of everything.
func sample(t testing.TB) string {
	t.Helper()
	source := t.TempDir()
	for name, content := range map[string]string{
		"file": "content", "folder/a": "a", "folder/deep/b": strings.Repeat("b", 200_000), "empty": "", "name with\nnewline \xff": "x",
	} {
		write(t, filepath.Join(source, name), content)
	}
	script := `ln -s nowhere link; ln file hard; mkfifo fifo; chmod 4711 folder/a; touch -d @12345.678901234 folder; truncate -s 3M sparse; printf x | dd of=sparse bs=1 seek=2000000 conv=notrunc 2>/dev/null; setfattr -n user.x -v y file || true`
	command := exec.Command("sh", "-c", script)
	command.Dir = source
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return source
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// equal waits until both trees are the same, judged by others than lockstep.
func equal(t testing.TB, source, replica string) {
	t.Helper()
	err := rig.Await(rig.Patience, func() error {
		differences, err := judge.Compare(t.Context(), source, replica)
		if err == nil && len(differences) > 0 {
			err = fmt.Errorf("differences: %q", differences)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count returns how many records of a log have that class.
func count(t testing.TB, p *rig.Process, class string) int {
	t.Helper()
	log, err := p.Log()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(log)) {
		var record struct{ Class string }
		if json.Unmarshal([]byte(line), &record) == nil && record.Class == class {
			n++
		}
	}
	return n
}

func awaitClass(t testing.TB, p *rig.Process, class string) {
	t.Helper()
	if err := p.AwaitLog(regexp.MustCompile(`"class":"` + class + `"`)); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
}
