package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// idleFor is how long an idle process is watched.
const idleFor = 5 * time.Second

// usage is what a process has used so far.
type usage struct {
	cpu      time.Duration
	written  int64 // bytes on their way to a disk
	resident int64 // bytes
}

// idle reports what the process costs while nothing happens.
func idle(b *testing.B, process int) {
	b.Helper()
	before := used(b, process)
	time.Sleep(idleFor)
	after := used(b, process)
	b.ReportMetric(milliseconds(after.cpu-before.cpu)/idleFor.Seconds(), "idle-cpu-ms/s")
	b.ReportMetric(float64(after.written-before.written)/idleFor.Seconds(), "idle-written-B/s")
	b.ReportMetric(float64(after.resident)/(1<<20), "resident-MiB")
}

// used reads /proc for the process: the first number in schedstat of each of its threads, in nanoseconds, proc_pid_io(5) and
// proc_pid_status(5).
func used(b *testing.B, process int) usage {
	b.Helper()
	folder := fmt.Sprintf("/proc/%d", process)
	threads, err := filepath.Glob(folder + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		b.Fatalf("no thread of process %d: %v", process, err)
	}
	cpu := int64(0)
	for _, thread := range threads {
		cpu += number(b, strings.Fields(read(b, thread))[0])
	}
	return usage{
		cpu:      time.Duration(cpu),
		written:  field(b, read(b, folder+"/io"), "write_bytes:"),
		resident: field(b, read(b, folder+"/status"), "VmRSS:") << 10,
	}
}

func read(b *testing.B, path string) string {
	b.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// field returns the number after a key at the beginning of a line.
func field(b *testing.B, text, key string) int64 {
	b.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key); ok {
			return number(b, strings.Fields(value)[0])
		}
	}
	b.Fatalf("no %s in %q", key, text)
	return 0
}

func number(b *testing.B, text string) int64 {
	b.Helper()
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return value
}
