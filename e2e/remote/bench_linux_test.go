package remote_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lockstep/e2e/rig"
)

// BenchmarkPush holds a first push and an unchanged pass against rsync and a
// daemon of it on the loopback:
//
//	go test -run '^$' -bench Push -benchtime 1x ./e2e/remote
//
// The ratios are lockstep's wall time by rsync's, which brings nothing to disk;
// first-ratio-synced is by that of rsync and a sync. LOCKSTEP_BENCH_DURABILITY
// chooses the server's durability.
func BenchmarkPush(b *testing.B) {
	for _, c := range []struct {
		name string
		fill func(b *testing.B, source string)
	}{
		{"Source", func(b *testing.B, source string) {
			if output, err := exec.Command("cp", "-a", filepath.Join(goroot(b), "src"), source).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, output)
			}
		}},
		{"Small", func(b *testing.B, source string) { fillSmall(b, source, 100_000) }},
		{"Big", func(b *testing.B, source string) {
			f, err := os.Create(filepath.Join(source, "big"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if _, err := io.CopyN(f, rand.Reader, 1<<30); err != nil {
				b.Fatal(err)
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			source := b.TempDir()
			c.fill(b, source)
			for b.Loop() {
				push(b, source)
			}
		})
	}
}

// fillSmall makes files of up to 2 KiB in folders of a hundred.
func fillSmall(b *testing.B, source string, n int) {
	content := make([]byte, 2048)
	rand.Read(content)
	for i := range n {
		folder := filepath.Join(source, fmt.Sprint(i/5000), fmt.Sprint(i/100))
		if i%100 == 0 {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		copy(content, fmt.Sprint(i))
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), content[:100+i*7919%1900], 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// push measures both programs, each on an empty replica and then again.
func push(b *testing.B, source string) {
	theirReplica := b.TempDir()
	module := rsyncDaemon(b, theirReplica)
	server, client := newSide(b), newSide(b)
	arguments := []string{"serve", "--listen", "127.0.0.1:" + freePort(b), "--allow", client.id()}
	if how := os.Getenv("LOCKSTEP_BENCH_DURABILITY"); how != "" {
		arguments = append(arguments, "--durability", how)
	}
	serving := server.start("serve", nil, append(arguments, filepath.Join(b.TempDir(), "replica"))...)
	awaitClass(b, serving, "serving")
	url := "lockstep://" + server.id() + "@" + arguments[2]
	timed := func(name string, command *exec.Cmd) time.Duration {
		syscall.Sync()
		began := time.Now()
		if output, err := command.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v: %s", name, err, output)
		}
		took := time.Since(began)
		b.ReportMetric(took.Seconds(), name+"-s")
		if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok && name == "first" {
			b.ReportMetric(float64(usage.Maxrss)/1024, "client-MiB")
		}
		return took
	}
	lockstep := func() *exec.Cmd { return client.command("--once", "--quiet", source, url) }
	theirs := timed("rsync-first", exec.Command("rsync", "-a", source+"/", module))
	if err := os.RemoveAll(theirReplica); err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(theirReplica, 0o755); err != nil {
		b.Fatal(err)
	}
	synced := timed("rsync-synced", exec.Command("sh", "-c", `rsync -a "$1/" "$2" && sync -f "$3"`, "sh", source, module, theirReplica))
	ours := timed("first", lockstep())
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "first-ratio")
	b.ReportMetric(ours.Seconds()/synced.Seconds(), "first-ratio-synced")
	theirs = timed("rsync-unchanged", exec.Command("rsync", "-ac", source+"/", module))
	timed("warm", lockstep()) // the server reads everything for the first time
	ours = timed("unchanged", lockstep())
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "unchanged-ratio")
	b.ReportMetric(peak(b, serving.ID()), "server-MiB")
}

// peak is the most memory that a process had, in MiB (proc_pid_status(5)).
func peak(b *testing.B, pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// rsyncDaemon serves a folder and returns what rsync calls it.
func rsyncDaemon(b *testing.B, folder string) string {
	port := freePort(b)
	config := filepath.Join(b.TempDir(), "rsyncd.conf")
	write(b, config, fmt.Sprintf("use chroot = no\nport = %s\naddress = 127.0.0.1\nuid = %d\ngid = %d\n[m]\npath = %s\nread only = no\n",
		port, os.Getuid(), os.Getgid(), folder))
	daemon, err := rig.Start(rig.Command(false, "rsync", "--daemon", "--no-detach", "--config="+config), config+".log")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(daemon.Kill)
	if err := rig.Await(rig.Patience, func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return "rsync://127.0.0.1:" + port + "/m/"
}

// goroot returns the folder of the Go distribution.
func goroot(b *testing.B) string {
	output, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}
