package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// options say what is measured and how.
type options struct {
	scale   float64 // of the trees
	rounds  int     // that count
	only    []string
	memory  string // folder of a tmpfs
	disk    string // folder on a real disk
	results string
	binary  string // "" to build it
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) (err error) {
	o, err := parse(arguments)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	var lines []line
	for _, r := range rows() {
		if !o.wants(r.name) {
			continue
		}
		began := time.Now()
		fmt.Printf("%-20s %s\n", r.name, r.work)
		if err := dropCaches(); err != nil {
			return err
		}
		found, err := r.measure(ctx, l)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			// The other rows are worth having all the same.
			found = append(found, line{verdict: failed, note: err.Error()})
		}
		for i := range found {
			found[i].complete(r)
			fmt.Println("  " + found[i].String())
		}
		fmt.Printf("  (%v)\n", time.Since(began).Round(time.Second))
		lines = append(lines, found...)
	}
	text := report(ctx, o, l, lines)
	fmt.Println("\n" + text)
	if o.results != "" {
		return os.WriteFile(o.results, []byte(text), 0o644)
	}
	return nil
}

// dropCaches writes out what is changed and empties the page cache (proc_sys_vm(5)): what a row left there makes new
// pages dearer for the next one.
func dropCaches() error {
	unix.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

func parse(arguments []string) (options, error) {
	var o options
	only := ""
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Float64Var(&o.scale, "scale", 1, "size of the trees; 0.1 for a tenth")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds that count")
	flags.StringVar(&only, "only", "", "rows to measure, with commas: "+strings.Join(rowNames(), ","))
	flags.StringVar(&o.memory, "memory", "/dev/shm", "folder in memory, for file systems on loop devices")
	flags.StringVar(&o.disk, "disk", "/var/tmp", "folder on a disk, for the rows that sync")
	flags.StringVar(&o.results, "results", "", "file for the table; e2e/bench/RESULTS.md after a whole run")
	flags.StringVar(&o.binary, "binary", "", "lockstep to measure, instead of one built from this checkout")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.scale <= 0 || o.scale > 1 || o.rounds < 1 {
		return o, errors.New("wrong usage: only flags are taken, with a scale above 0 and up to 1, and at least one round")
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(rowNames(), name) {
			return o, fmt.Errorf("no row %q: there are %s", name, strings.Join(rowNames(), ", "))
		}
	}
	if o.results == "" && o.only == nil && o.scale == 1 {
		o.results = "e2e/bench/RESULTS.md"
	}
	return o, nil
}

func (o options) wants(row string) bool { return o.only == nil || slices.Contains(o.only, row) }

// scaled is n at the scale of this run, and at least least.
func (o options) scaled(n, least int) int { return max(least, int(float64(n)*o.scale)) }
