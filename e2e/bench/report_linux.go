package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is the whole result: where and with what, and the table.
func report(ctx context.Context, o options, l *lab, lines []line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured beside others\n\nMade by `task bench` on %s", time.Now().Format(time.DateOnly))
	if o.scale != 1 {
		fmt.Fprintf(&b, ", trees at %v of their size", o.scale)
	}
	fmt.Fprintf(&b, "; %d rounds that count, in turns; medians, with the least in parentheses.\n\n", o.rounds)
	for _, fact := range machine(ctx, l) {
		fmt.Fprintf(&b, "- %s: %s\n", fact[0], fact[1])
	}
	b.WriteString("\n" + markdown(lines))
	b.WriteString(notes)
	return b.String()
}

const notes = `
Ratios are lockstep's median by the peer's. A line without a target is told for comparison only. Syncs of a file system in memory cost
next to nothing: what syncs by default is measured on a disk too, and an fsync of that disk beside it. rsync, lsyncd and rclone compare
times by whole seconds, and none of the peers compares all that lockstep does, but for rsync -aHAXc. rsync --inplace changes the
replica's file in place, so that for a while it is neither the old one nor the new one; lockstep never does. Servers are on the loopback,
started for each turn and with the defaults; the processor time of a server counts as its client's does. Pushes go to the file system
of T1 and T2. An rsync daemon encrypts nothing; rsync through ssh does, as OpenSSH does by default. Stolen is what the host of a virtual
machine gave to others of the processors' time while a program ran: such turns are repeated, up to three times, and the least disturbed
one counts.
`

// machine tells what was measured, where and with what.
func machine(ctx context.Context, l *lab) [][2]string {
	memory, _ := numberAfter("/proc/meminfo", "MemTotal:")
	kernel := said(ctx, "uname", "-sr")
	return [][2]string{
		{"lockstep", l.state + ", " + runtime.Version()},
		{"peers", packages(ctx)},
		{"machine", fmt.Sprintf("%s, %d cores, %d MiB of memory, %s", processor(), runtime.NumCPU(), memory>>10, kernel)},
		{"T1, T2", string(ext4Memory) + fmt.Sprintf(" (image of %s on a tmpfs, mkfs.ext4 -E lazy_itable_init=1, mount -o loop,noinit_itable)", imageSize)},
		{"T3, T4", string(tmpfs) + " (mount -t tmpfs -o nr_inodes=0)"},
		{"on a disk", string(ext4Disk) + ", which is " + said(ctx, "findmnt", "-no", "SOURCE,FSTYPE", "--target", l.disk)},
		{"copies", "each into a file system that was just made"},
	}
}

// said is what a program has to say, without the space around it.
func said(ctx context.Context, program string, arguments ...string) string {
	output, err := exec.CommandContext(ctx, program, arguments...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(output))
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for one := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(one, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, " \t:"))
		}
	}
	return runtime.GOARCH
}

// packages names what the peers come from, and which of them are missing.
func packages(ctx context.Context) string {
	programs := []string{"cp", "rsync", "diff", "lsyncd", "unison", "rclone", "inotifywait", "ssh"}
	of := map[string]string{"cp": "coreutils", "diff": "diffutils", "inotifywait": "inotify-tools", "ssh": "openssh-client"}
	var told []string
	for _, p := range programs {
		name := p
		if of[p] != "" {
			name = of[p]
		}
		if _, err := exec.LookPath(p); err != nil {
			told = append(told, p+" is missing")
			continue
		}
		version, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", name).Output()
		if err != nil {
			version = []byte("of another make")
		}
		told = append(told, name+" "+string(version))
	}
	return strings.Join(slices.Compact(told), ", ")
}
