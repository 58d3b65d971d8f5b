package judge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Compare hears both witnesses and lists what differs between the folders source and replica; nothing listed means equal.
// Without rsync on the machine only the second one is heard: see [HasRsync].
func Compare(ctx context.Context, source, replica string) ([]string, error) {
	tree, differences, err := Walk(source, replica)
	if err != nil || len(differences) > 0 || !HasRsync() {
		return differences, err
	}
	return askRsync(ctx, source, replica, tree)
}

// Walk hears only the second witness. It also returns what the source holds.
func Walk(source, replica string) (Tree, []string, error) {
	want, err := Read(source)
	if err != nil {
		return want, nil, err
	}
	have, err := Read(replica)
	return want, Differences(want, have), err
}

// HasRsync reports whether the first witness is there to be asked.
func HasRsync() bool {
	_, err := exec.LookPath("rsync")
	return err == nil
}

// askRsync returns what rsync would change in replica. Sockets, which no mirror carries over, are kept from its sight.
func askRsync(ctx context.Context, source, replica string, tree Tree) ([]string, error) {
	arguments := []string{"-aHAXnci", "--modify-window=-1", "--delete"}
	var sockets bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		if tree[path].Kind == "socket" {
			fmt.Fprintf(&sockets, "/%s\x00", escape(path))
		}
	}
	if sockets.Len() > 0 {
		arguments = append(arguments, "--from0", "--exclude-from=-")
	}
	command := exec.CommandContext(ctx, "rsync", append(arguments, source+"/", replica+"/")...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.Stdin = &sockets
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("run rsync: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(output)) {
		found = append(found, "rsync: "+strings.TrimSuffix(line, "\n"))
	}
	if exit != nil {
		found = append(found, "rsync: "+exit.String())
	}
	return found, nil
}

// escape makes a path literal in an rsync pattern: a backslash is only special beside a wildcard.
func escape(path string) string {
	if !strings.ContainsAny(path, "*?[") {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
