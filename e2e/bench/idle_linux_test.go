package bench_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// idleFor is how long an idle process is watched.
const idleFor = 5 * time.Second

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every architecture Go runs on.
const tick = 10 * time.Millisecond

// usage is what a process has used so far.
type usage struct {
	cpu      time.Duration
	written  int64 // bytes handed to write calls
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

// used reads /proc for the process: proc_pid_stat(5), proc_pid_io(5), proc_pid_status(5).
func used(b *testing.B, process int) usage {
	b.Helper()
	text := read(b, process, "stat")
	// The name of the program, in parentheses, may hold anything; user and system time are the 12th and 13th field after it.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	ticks := number(b, fields[11]) + number(b, fields[12])
	return usage{
		cpu:      time.Duration(ticks) * tick,
		written:  field(b, read(b, process, "io"), "wchar:"),
		resident: field(b, read(b, process, "status"), "VmRSS:") << 10,
	}
}

func read(b *testing.B, process int, name string) string {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", process, name))
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
