package main

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

const helpHint = "see lockstep --help"

// reorder returns args with the command first, then every flag, then "--" and
// the folders: cli stops looking for flags at the first argument that is none,
// and flags may stand anywhere here. After a "--" nothing is a flag. Who asks
// for help or the version gets that, whatever else there is.
func reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return []string{app.Name}, nil
	}
	words := args[1:]
	takesValue := flagTable(app)
	var flags, folders, names []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--" {
			folders = append(folders, words[i+1:]...)
			break
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			folders = append(folders, word)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
		wants, known := takesValue[name]
		if !known {
			return nil, unknownFlag(word, takesValue)
		}
		if _, err := strconv.ParseBool(value); hasValue && !wants && err != nil {
			return nil, wrongUsage("give --"+name+" alone, or true or false after the =", "--%s is %q", name, value)
		}
		names = append(names, name)
		flags = append(flags, word)
		if wants && !hasValue {
			if i+1 == len(words) {
				return nil, wrongUsage(helpHint, "flag %s needs a value", word)
			}
			i++
			flags = append(flags, words[i])
		}
	}
	ordered, own, hint := []string{args[0]}, app.Flags, helpHint
	if len(folders) > 0 && app.Command(folders[0]) != nil {
		command := app.Command(folders[0])
		ordered, folders = append(ordered, command.Name), folders[1:]
		own, hint = command.Flags, "see lockstep "+command.Name+" --help"
	}
	if slices.Contains(names, "help") || slices.Contains(names, "h") {
		return append(ordered, "--help"), nil // cli would take a folder for a topic
	}
	if slices.Contains(names, "version") || slices.Contains(names, "v") {
		return []string{args[0], "--version"}, nil
	}
	if err := checkVariables(slices.Concat(app.Flags, own)); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(names, func(name string) bool { return !hasFlag(own, name) }); i >= 0 {
		return nil, wrongUsage(hint, "--%s is a flag of another command", names[i])
	}
	ordered = append(ordered, flags...)
	return append(append(ordered, "--"), folders...), nil
}

func hasFlag(flags []cli.Flag, name string) bool {
	return slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// checkVariables refuses variables of switches that are neither on nor off: cli
// says it in words of its own.
func checkVariables(flags []cli.Flag) error {
	for _, f := range flags {
		f, isSwitch := f.(*cli.BoolFlag)
		if !isSwitch {
			continue
		}
		for _, name := range f.EnvVars {
			if value := os.Getenv(name); value != "" {
				if _, err := strconv.ParseBool(value); err != nil {
					return wrongUsage("set it to true or false", "%s is %q", name, value)
				}
			}
		}
	}
	return nil
}

// flagTable returns every name of every flag, and whether it takes a value.
func flagTable(app *cli.App) map[string]bool {
	table := map[string]bool{"help": false, "h": false, "version": false, "v": false}
	add := func(flags []cli.Flag) {
		for _, f := range flags {
			_, isBool := f.(*cli.BoolFlag)
			for _, name := range f.Names() {
				table[name] = !isBool
			}
		}
	}
	add(app.Flags)
	for _, c := range app.Commands {
		add(c.Flags)
	}
	return table
}

// unknownFlag names the flag that was probably meant, if one is near.
func unknownFlag(word string, known map[string]bool) error {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	hint := helpHint
	best := 3 // more edits than this are no slip of the fingers
	for _, candidate := range sortedNames(known) {
		if d := editDistance(name, candidate); len(candidate) > 1 && d < best {
			best, hint = d, "did you mean --"+candidate+"? "+helpHint
		}
	}
	if _, short := known[name[:min(1, len(name))]]; short && hint == helpHint && !strings.HasPrefix(word, "--") {
		hint = "write a short flag apart from what follows it, as in -j 4; " + helpHint
	}
	return wrongUsage(hint, "unknown flag %s", word)
}

func sortedNames(table map[string]bool) []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, diagonal := i+1, i
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, left, row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
			left = cost
		}
		row[0] = i + 1
	}
	return row[len(b)]
}
