package remote_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lockstep/e2e/rig"
)

// block returns the first block of code of the README in that language.
func block(t *testing.T, language string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(readme), "```"+language+"\n")
	text, _, ended := strings.Cut(after, "```")
	if !found || !ended {
		t.Fatalf("the README has no block of %s", language)
	}
	return text
}

// setting returns what stands behind a word at the beginning of a line.
func setting(t *testing.T, text, word string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, word); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no %s in %q", word, text)
	return ""
}

// TestServersOfREADME: the commands of the unit and of the container file
// serve, with the program, folder and address of this test in their places.
func TestServersOfREADME(t *testing.T) {
	t.Parallel()
	for name, words := range map[string]func() []string{
		"unit": func() []string { return strings.Fields(setting(t, block(t, "ini"), "ExecStart=")) },
		"container": func() (words []string) {
			if err := json.Unmarshal([]byte(setting(t, block(t, "dockerfile"), "ENTRYPOINT ")), &words); err != nil {
				t.Fatal(err)
			}
			return append(words, "CLIENT-ID")
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := newSide(t), newSide(t)
			source, replica := sample(t), t.TempDir()
			address := "127.0.0.1:" + freePort(t)
			arguments := words()[1:]
			for i, word := range arguments {
				switch word {
				case "/copy", "/srv/copy":
					arguments[i] = replica
				case ":7447":
					arguments[i] = address
				case "CLIENT-ID":
					arguments[i] = client.id()
				}
			}
			serving := server.start("serve", nil, arguments...)
			awaitClass(t, serving, "serving")
			err := rig.Await(rig.Patience, func() error { // the console may come after the log
				if said := serving.Output(); !strings.Contains(said, server.id()) {
					return fmt.Errorf("the ID is not told: %s", said)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if code, said := client.once(nil, source, "lockstep://"+server.id()+"@"+address); code != 0 {
				t.Fatalf("exit %d: %s", code, said)
			}
			equal(t, source, replica)
		})
	}
}

// TestUnitOfREADME lets systemd read the unit.
func TestUnitOfREADME(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd: ", err)
	}
	unit := filepath.Join(t.TempDir(), "lockstep.service")
	write(t, unit, strings.Replace(block(t, "ini"), "/usr/local/bin/lockstep", binary, 1))
	if output, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v: %s", err, output)
	}
}
