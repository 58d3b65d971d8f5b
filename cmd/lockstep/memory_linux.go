package main

import (
	"bufio"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// heapShare is how much of a memory limit the heap may take before the
// collector works harder; the rest is for stacks, the program and buffers of
// the kernel that count too.
const heapShare = 0.6

// heedMemoryLimit makes the garbage collector heed the limit of the control
// group that this process is in (cgroups(7)), as containers and systemd set
// it, unless GOMEMLIMIT says something else.
func heedMemoryLimit() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	groups, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return
	}
	defer groups.Close()
	if limit := memoryLimit(bufio.NewScanner(groups), "/sys/fs/cgroup"); limit < math.MaxInt64/2 {
		debug.SetMemoryLimit(int64(float64(limit) * heapShare))
	}
}

// memoryLimit returns the least limit that the groups in lines, as
// /proc/self/cgroup has them, and the groups above them have; mount is where
// control groups are mounted. Without a limit it is [math.MaxInt64].
func memoryLimit(lines *bufio.Scanner, mount string) int64 {
	limit := int64(math.MaxInt64)
	for lines.Scan() {
		_, rest, _ := strings.Cut(lines.Text(), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		folder, file := mount, "memory.max"
		if controllers == "memory" {
			folder, file = path.Join(mount, "memory"), "memory.limit_in_bytes"
		} else if controllers != "" {
			continue
		}
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			text, err := os.ReadFile(path.Join(folder, group, file))
			if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 {
				limit = min(limit, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return limit
}
