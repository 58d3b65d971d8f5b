package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// binary is the environment variable that holds the path of the lockstep to test.
const binary = "LOCKSTEP_E2E_BINARY"

// TestScript runs every script archive. A script starts in a folder of its own that every user may write, with these additional
// commands; paths are relative to the current folder, and a command that takes a program accepts `asuser` and NAME=VALUE before it.
//
//	need CONDITION...              skip without it; in CI, fail
//	lockstep ARG...                run the binary to its end; exit code 0
//	exits CODE PROGRAM ARG...      run a program to its end, with that exit code
//	terminal PROGRAM ARG...        run a program to its end on a terminal
//	sh SCRIPT                      run a shell script that stops at the first failure
//	await-sh SCRIPT                run a shell script again and again until it succeeds
//	start NAME lockstep ARG...     run the binary in the background, with its log in logs/NAME
//	wait-ready NAME                until its first pass is done
//	pass NAME                      SIGUSR1, until a pass is done
//	signal NAME SIGNAL             send INT, TERM, HUP, QUIT, USR1, STOP, CONT or KILL
//	await-exit NAME CODE           until it has ended, at most as long as a stop may take
//	end NAME                       signal INT, and await-exit 0
//	[!] log NAME REGEXP            the log holds it now
//	await-log NAME REGEXP          until the log holds it
//	records FILE EVENT KEY...      FILE is JSON lines, and a record of EVENT has each KEY or KEY=VALUE
//	equal SOURCE REPLICA           both witnesses of the judge find no difference
//	differ SOURCE REPLICA          the judge finds one
//	await-equal SOURCE REPLICA     until equal
//	equal-walk SOURCE REPLICA      equal for trees too deep for rsync
//	await-walk SOURCE REPLICA      until equal for trees too deep for rsync
//	await-exists PATH...           until there
//	await-gone PATH...             until gone
//	tree-digest NAME FOLDER        remember what FOLDER holds
//	same-tree NAME FOLDER          FOLDER still holds that
//	random PATH SIZE SEED          write a file of random bytes in place
//	sparse PATH SIZE OFFSET TEXT   write a file that is a hole but for TEXT
//	rawfile NAME TEXT              write a file; both may hold escapes as in Go strings
//	poke PATH OFFSET TEXT          overwrite bytes without another change, the modification time included
//	deep FOLDER DEPTH              make folders below each other, and a file in the last
//	touchns PATH SECONDS.NANOS     set the modification time, of a symlink itself
//	setxattr PATH NAME VALUE       set an extended attribute
//	setfacl ARG...                 set access rules
//	hardlink OLD NEW               add a name
//	rename OLD NEW                 rename(2), nothing more
//	exchange ONE OTHER             let two names change places
//	rename-all FOLDER OLD NEW N    rename what is called OLD-something to NEW-something, one a millisecond, and all back, N times
//	map PATH OFFSET TEXT           overwrite bytes through shared memory, which raises no event
//	mkfifo PATH                    make a FIFO
//	mknod PATH MAJOR MINOR         make a character device
//	mksocket PATH                  make a socket
//	mount-tmpfs FOLDER [OPTION]... mount an empty memory file system
//	mount-image FOLDER MKFS ARG... make a file system in a file with a program, and mount it
//	mount-fuse FOLDER KIND         make a file system of Windows in a file and mount it: exfat, ntfs or ntfs-lower
//	mount-overlay FOLDER LOWER UPPER WORK
//	mount-bind OLD NEW [ro]        mount a folder once more, read-only if told so
//	umount FOLDER                  take a mount away
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds:                commands(),
	})
}

// TestNeedsRsync makes sure that equality is not judged by one witness alone where nothing may be left out.
func TestNeedsRsync(t *testing.T) {
	if !judge.HasRsync() {
		missing(t, "rsync is not installed: equality is judged by one witness only")
	}
}

// scene is what a script has set up: processes, remembered trees and mounts.
type scene struct {
	*testscript.TestScript
	t         testscript.T
	env       []string
	processes map[string]*rig.Process
	groups    []int // process groups of programs that ran to their end
	trees     map[string]judge.Tree
}

// sceneKey is where a script keeps its scene.
type sceneKey struct{}

// setup gives a script its environment and takes down what it leaves behind.
func setup(env *testscript.Env) error {
	env.Vars = append(env.Vars,
		"HOME="+filepath.Join(env.WorkDir, "home"),
		"XDG_STATE_HOME="+filepath.Join(env.WorkDir, "home", "state"),
		"GORACE=atexit_sleep_ms=0",
		fmt.Sprint("MANY=", many()),
		"LC_ALL=C",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
	)
	s := &scene{t: env.T(), env: env.Vars, processes: map[string]*rig.Process{}, trees: map[string]judge.Tree{}}
	env.Values[sceneKey{}] = s
	env.Defer(s.close)
	for _, folder := range []string{"home", "logs"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, folder), 0o777); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Dir(env.WorkDir), 0o755); err != nil {
		return err
	}
	for _, folder := range []string{".", "home", "logs", ".tmp"} {
		if err := os.Chmod(filepath.Join(env.WorkDir, folder), 0o777); err != nil {
			return err
		}
	}
	return nil
}

// many is how many entries a large folder has: less for the race detector, which slows everything down.
func many() int {
	if rig.Race {
		return 10_000
	}
	return 100_000
}

// close ends what still runs; what the processes wrote is shown if the script failed.
func (s *scene) close() {
	for _, group := range s.groups {
		// Mostly there is nobody left in it.
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	const shown = 40
	for name, process := range s.processes {
		process.Kill()
		delete(s.processes, name)
		lines := strings.SplitAfter(process.Output(), "\n")
		s.Logf("[%s wrote]\n%s", name, strings.Join(lines[max(0, len(lines)-shown):], ""))
	}
}

// command is a script command: its arguments as a usage line, and what it does. One whose usage begins with [!] may be negated.
type command struct {
	usage string
	do    func(s *scene, arguments []string) error
}

// commands returns the script commands by name.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){}
	for _, table := range []map[string]command{processCommands, logCommands, judgeCommands, fileCommands, mountCommands} {
		for name, c := range table {
			all[name] = c.bind(name)
		}
	}
	return all
}

// bind makes a command of testscript: it checks the number of arguments and turns an error into a failure.
func (c command) bind(name string) func(*testscript.TestScript, bool, []string) {
	usage, negatable := strings.CutPrefix(c.usage, "[!] ")
	words := strings.Fields(usage)
	open := strings.HasSuffix(usage, "...")
	return func(ts *testscript.TestScript, negated bool, arguments []string) {
		s := ts.Value(sceneKey{}).(*scene)
		s.TestScript = ts
		if len(arguments) < len(words) || len(arguments) > len(words) && !open || negated && !negatable {
			ts.Fatalf("usage: %s %s", name, c.usage)
		}
		err := c.do(s, arguments)
		if negated && err == nil {
			err = fmt.Errorf("unexpected: %s %s", name, strings.Join(arguments, " "))
		} else if negated {
			err = nil
		}
		ts.Check(err)
	}
}

// missing skips a test for want of something, or fails it where nothing may be left out.
func missing(t interface {
	Skip(...any)
	Fatal(...any)
}, what string) {
	if os.Getenv("CI") != "" {
		t.Fatal(what + " (in CI no test may skip)")
	}
	t.Skip(what)
}
