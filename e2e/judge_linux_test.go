package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"lockstep/e2e/judge"
	"lockstep/e2e/rig"
)

// judgeCommands look at folders.
var judgeCommands = map[string]command{
	"equal":        {"SOURCE REPLICA", equal},
	"differ":       {"SOURCE REPLICA", differ},
	"equal-walk":   {"SOURCE REPLICA", equalWalk},
	"await-equal":  {"SOURCE REPLICA", awaitEqual},
	"await-walk":   {"SOURCE REPLICA", awaitWalk},
	"await-exists": {"PATH...", func(s *scene, arguments []string) error { return awaitPaths(s, arguments, nil) }},
	"await-gone":   {"PATH...", func(s *scene, arguments []string) error { return awaitPaths(s, arguments, os.ErrNotExist) }},
	"tree-digest":  {"NAME FOLDER", remember},
	"same-tree":    {"NAME FOLDER", same},
}

// errDiffer is what the judge found.
var errDiffer = errors.New("the folders differ")

// verdict makes an error of differences; the first of them are shown.
func verdict(differences []string, err error) error {
	const shown, width = 30, 300
	if err != nil || len(differences) == 0 {
		return err
	}
	var text strings.Builder
	for _, line := range differences[:min(shown, len(differences))] {
		if cut := len(line) - width; cut > 0 {
			line = line[:width/2] + "…" + line[width/2+cut:]
		}
		text.WriteString("\n\t" + line)
	}
	if more := len(differences) - shown; more > 0 {
		fmt.Fprintf(&text, "\n\t(and %d more)", more)
	}
	return fmt.Errorf("%w:%s", errDiffer, &text)
}

// compare hears both witnesses, walk only the one that is quick to answer.
func compare(source, replica string) error {
	return verdict(judge.Compare(context.Background(), source, replica))
}

func walk(source, replica string) error {
	_, differences, err := judge.Walk(source, replica)
	return verdict(differences, err)
}

// awaitCompare waits until the folders are equal: until the walk says so, and then rsync too.
func awaitCompare(source, replica string) error {
	return rig.Await(rig.Patience, func() error { return compare(source, replica) })
}

func equal(s *scene, arguments []string) error {
	return compare(s.MkAbs(arguments[0]), s.MkAbs(arguments[1]))
}

func awaitEqual(s *scene, arguments []string) error {
	return awaitCompare(s.MkAbs(arguments[0]), s.MkAbs(arguments[1]))
}

func equalWalk(s *scene, arguments []string) error {
	return walk(s.MkAbs(arguments[0]), s.MkAbs(arguments[1]))
}

func awaitWalk(s *scene, arguments []string) error {
	return rig.Await(rig.Patience, func() error { return equalWalk(s, arguments) })
}

func differ(s *scene, arguments []string) error {
	err := compare(s.MkAbs(arguments[0]), s.MkAbs(arguments[1]))
	if errors.Is(err, errDiffer) {
		return nil
	}
	if err == nil {
		err = errors.New("the folders are equal")
	}
	return err
}

// awaitPaths waits until a look at each path gives the error want.
func awaitPaths(s *scene, paths []string, want error) error {
	return rig.Await(rig.Patience, func() error {
		for _, path := range paths {
			if _, err := os.Lstat(s.MkAbs(path)); !errors.Is(err, want) {
				return fmt.Errorf("%q: %v, waiting for %v", path, err, want)
			}
		}
		return nil
	})
}

func remember(s *scene, arguments []string) error {
	tree, err := judge.Read(s.MkAbs(arguments[1]))
	s.trees[arguments[0]] = tree
	return err
}

func same(s *scene, arguments []string) error {
	want, ok := s.trees[arguments[0]]
	if !ok {
		return fmt.Errorf("no tree %q was remembered", arguments[0])
	}
	have, err := judge.Read(s.MkAbs(arguments[1]))
	return verdict(judge.Differences(want, have), err)
}
