package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lockstep/logging"
	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/remote/reach"
	"lockstep/reconcile/tree"
)

// settings are a command line that makes sense.
type settings struct {
	source, replica string
	address         *reach.Address // of a replica on another machine, else nil
	interval        time.Duration
	debounce        time.Duration
	logFile         string // "" for the default
	once, dryRun    bool
	workers         int // how many batches at once
	comparers       int // how many folders
	method          tree.Method
	durability      local.Durability
	maxDelete       reconcile.Limit
	allowEmpty      bool
	level           logging.Level
	format          logging.Format
	quiet           bool
	// words are the values as they were written, for the log.
	words map[string]string
}

// The least and the most that durations may be.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = 10 * 365 * 24 * time.Hour
	mostDebounce  = time.Hour
	mostWorkers   = 256
)

func env(name string) []string {
	return []string{"LOCKSTEP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
}

func text(name, value string, aliases ...string) cli.Flag {
	return &cli.StringFlag{Name: name, Aliases: aliases, Value: value, EnvVars: env(name)}
}

func choice(name string, aliases ...string) cli.Flag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, EnvVars: env(name)}
}

func mirrorFlags() []cli.Flag {
	return []cli.Flag{
		text("interval", "5m", "i"),
		text("log-file", "", "l"),
		choice("once"),
		choice("dry-run", "n"),
		text("debounce", "10ms"),
		text("workers", "", "j"),
		text("compare", "content"),
		text("durability", "auto"),
		text("max-delete", ""),
		choice("allow-empty-source"),
		text("log-level", "info"),
		text("log-format", "text"),
		choice("quiet", "q"),
	}
}

func verifyFlags() []cli.Flag {
	return []cli.Flag{text("workers", "", "j"), choice("quiet", "q")}
}

// readSettings checks everything that can be checked without looking at a
// file system.
func readSettings(c *cli.Context) (settings, error) {
	s := settings{
		once: c.Bool("once"), dryRun: c.Bool("dry-run"), quiet: c.Bool("quiet"),
		allowEmpty: c.Bool("allow-empty-source"), logFile: c.String("log-file"),
		words: make(map[string]string),
	}
	switch args := c.Args().Slice(); {
	case len(args) < 2 && c.Command.Name == verifyName:
		return s, wrongUsage("say lockstep verify SOURCE REPLICA; see lockstep verify --help", "%s", missingFolders(args))
	case len(args) < 2:
		return s, wrongUsage("say lockstep SOURCE REPLICA; "+helpHint, "%s", missingFolders(args))
	case len(args) > 2:
		return s, wrongUsage("quote names that hold spaces; "+helpHint, "surplus argument %q", args[2])
	case args[0] == "" || args[1] == "":
		return s, wrongUsage("name both folders; "+helpHint, "a folder is named by nothing")
	default:
		s.source, s.replica = args[0], args[1]
	}
	if err := s.readReplica(); err != nil {
		return s, err
	}
	reads := []func(*cli.Context) error{s.readWorkers}
	if c.Command.Name != verifyName {
		reads = append(reads, s.readTimes, s.readWays, s.readLogging)
	}
	for _, read := range reads {
		if err := read(c); err != nil {
			return s, err
		}
	}
	return s, nil
}

func missingFolders(args []string) string {
	if len(args) == 0 {
		return "source and replica are not named"
	}
	return "replica is not named"
}

func (s *settings) readTimes(c *cli.Context) error {
	var err error
	if s.interval, err = parseDuration(c.String("interval")); err != nil {
		return wrongUsage("write 30s, 5m, 2h, 1d or a number of seconds", "interval %q is no duration", c.String("interval"))
	}
	if s.interval < leastInterval || s.interval > mostInterval {
		return wrongUsage("take something between 100ms and 10 years", "interval %q is out of range", c.String("interval"))
	}
	if s.debounce, err = parseDuration(c.String("debounce")); err != nil {
		return wrongUsage("write 10ms, 1s or 0", "debounce %q is no duration", c.String("debounce"))
	}
	if s.debounce < 0 || s.debounce > mostDebounce {
		return wrongUsage("take something between 0 and 1h", "debounce %q is out of range", c.String("debounce"))
	}
	s.words["interval"], s.words["debounce"] = s.interval.String(), s.debounce.String()
	return nil
}

var methods = map[string]tree.Method{"content": tree.ByContent, "cached": tree.ByCache, "metadata": tree.ByMetadata}

var durabilities = map[string]local.Durability{"none": local.NeverSync, "auto": local.Auto, "always": local.Always}

func (s *settings) readWorkers(c *cli.Context) error {
	// One more than processors: of large files, at most all but one worker.
	s.workers = min(runtime.NumCPU()+1, 16)
	s.comparers = s.workers
	if s.address != nil {
		s.workers, s.comparers = max(s.workers, remoteWorkers), max(s.comparers, remoteComparers)
	}
	if word := c.String("workers"); word != "" {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > mostWorkers {
			return wrongUsage(fmt.Sprintf("take a number from 1 to %d", mostWorkers), "workers %q is no such number", word)
		}
		s.workers, s.comparers = n, n
	}
	s.words["workers"] = strconv.Itoa(s.workers)
	return nil
}

func (s *settings) readWays(c *cli.Context) error {
	var ok bool
	word := c.String("compare")
	if s.method, ok = methods[word]; !ok {
		return wrongUsage("take content, cached or metadata", "compare %q is unknown", word)
	}
	s.words["compare"] = word
	word = c.String("durability")
	if s.durability, ok = durabilities[word]; !ok {
		return wrongUsage("take none, auto or always", "durability %q is unknown", word)
	}
	s.words["durability"] = word
	if word = c.String("max-delete"); word != "" {
		limit, err := reconcile.ParseLimit(word)
		if err != nil {
			return wrongUsage("write a number such as 100, or a share such as 10%", "max-delete: %v", err)
		}
		s.maxDelete, s.words["max-delete"] = limit, word
	}
	return nil
}

func (s *settings) readLogging(c *cli.Context) (err error) {
	word := c.String("log-level")
	if s.level, err = logging.ParseLevel(word); err != nil {
		return wrongUsage("take debug, info, warn or error", "log-level %q is unknown", word)
	}
	word = c.String("log-format")
	if s.format, err = logging.ParseFormat(word); err != nil {
		return wrongUsage("take text or json", "log-format %q is unknown", word)
	}
	return nil
}

// inForce lists the settings in the order in which the log shows them, and what
// follows from who mirrors.
func (s *settings) inForce(t tree.Traits) []logging.Setting {
	var list []logging.Setting
	for _, key := range []string{"interval", "debounce", "workers", "compare", "durability", "max-delete"} {
		if value := s.words[key]; value != "" {
			list = append(list, logging.Setting{Key: strings.ReplaceAll(key, "-", "_"), Value: value})
		}
	}
	if s.allowEmpty {
		list = append(list, logging.Setting{Key: "allow_empty_source", Value: "true"})
	}
	if !t.Owners {
		list = append(list, logging.Setting{Key: "owners", Value: "not kept"})
	}
	return list
}
