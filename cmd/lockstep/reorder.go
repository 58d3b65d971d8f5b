package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

const helpHint = "see lockstep --help"

// reorder returns args with the command first, then every flag, then "--" and
// the folders: cli stops looking for flags at the first argument that is none,
// and flags may stand anywhere here. After a "--" nothing is a flag.
func reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return []string{app.Name}, nil
	}
	words := args[1:]
	takesValue := flagTable(app)
	var flags, folders []string
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
		name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
		wants, known := takesValue[name]
		if !known {
			return nil, unknownFlag(word, takesValue)
		}
		flags = append(flags, word)
		if wants && !hasValue {
			if i+1 == len(words) {
				return nil, wrongUsage(helpHint, "flag %s needs a value", word)
			}
			i++
			flags = append(flags, words[i])
		}
	}
	ordered := []string{args[0]}
	if len(folders) > 0 && app.Command(folders[0]) != nil {
		ordered = append(ordered, folders[0])
		folders = folders[1:]
	}
	ordered = append(ordered, flags...)
	return append(append(ordered, "--"), folders...), nil
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
