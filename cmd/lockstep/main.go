// Command lockstep keeps one folder, the replica, exactly equal to another,
// the source.
//
// This package is the front door: it reads the command line, puts the rooms
// together and turns what they say into records and exit codes. It decides
// nothing about the mirror.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"lockstep/logging"
)

// The exit codes; README.md and the help list them.
const (
	exitOK      = 0 // equal, or stopped cleanly
	exitFailed  = 1 // the message says why
	exitUsage   = 2 // flags, folders that overlap, log file inside either tree
	exitPartial = 3 // finished, but some paths could not be mirrored
	exitDiffer  = 4 // the trees differ (verify, --dry-run)
	exitHeld    = 5 // finished, but the guard holds removals
)

// verifyName is the command that only looks.
const verifyName = "verify"

func main() {
	logging.SurviveClosedConsole()
	unsetEmpty()
	heedMemoryLimit()
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// unsetEmpty takes a variable that is set to nothing for one that is not set,
// as shells and service files mean it.
func unsetEmpty() {
	for _, f := range slices.Concat(mirrorFlags(), serveCommand().Flags) {
		for _, name := range f.(cli.DocGenerationFlag).GetEnvVars() {
			if os.Getenv(name) == "" {
				os.Unsetenv(name)
			}
		}
	}
}

// run is main with its surroundings handed in; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	ordered, err := reorder(app, args)
	if err == nil {
		err = app.RunContext(context.Background(), ordered)
	}
	if err == nil {
		return exitOK
	}
	var end *ending
	if !errors.As(err, &end) {
		end = &ending{code: exitFailed, what: err.Error()}
	}
	end.print(stderr)
	return end.code
}

// ending is how a run ended when it was not well: an exit code, what happened
// and what to do about it. An empty what has been told already.
type ending struct {
	code int
	what string
	hint string
}

func (e *ending) Error() string { return e.what }

func (e *ending) print(w io.Writer) {
	if e.what != "" {
		fmt.Fprintf(w, "error: %s\n", e.what)
	}
	if e.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", e.hint)
	}
}

// wrongUsage returns the ending for a command line that cannot be carried out.
func wrongUsage(hint, format string, args ...any) error {
	return &ending{code: exitUsage, what: fmt.Sprintf(format, args...), hint: hint}
}

// newApp returns the commands without running any.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:      "lockstep",
		Usage:     "keep one folder exactly equal to another",
		Version:   version(),
		Writer:    stdout,
		ErrWriter: stderr,
		Flags:     mirrorFlags(),
		Action: func(c *cli.Context) error {
			s, err := readSettings(c)
			if err != nil {
				return err
			}
			if s.dryRun {
				return compare(c.Context, s, stdout, planWords)
			}
			return mirror(c.Context, s, stdout)
		},
		Commands: []*cli.Command{{
			Name:               verifyName,
			Usage:              "compare both folders by content and every attribute; change nothing",
			Flags:              verifyFlags(),
			CustomHelpTemplate: verifyHelp,
			OnUsageError:       onUsageError,
			HideHelpCommand:    true,
			Action: func(c *cli.Context) error {
				s, err := readSettings(c)
				if err != nil {
					return err
				}
				return compare(c.Context, s, stdout, verifyWords)
			},
		}, serveCommand(), idCommand(stdout)},
		CustomAppHelpTemplate: mirrorHelp,
		HideHelpCommand:       true,
		OnUsageError:          onUsageError,
		ExitErrHandler:        func(*cli.Context, error) {},
	}
	cli.VersionPrinter = func(c *cli.Context) { fmt.Fprintln(c.App.Writer, "lockstep", c.App.Version) }
	return app
}

func onUsageError(_ *cli.Context, err error, _ bool) error {
	return wrongUsage(helpHint, "%v", err)
}
