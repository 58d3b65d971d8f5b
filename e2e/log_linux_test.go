package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"lockstep/e2e/rig"
)

// logCommands look at log files.
var logCommands = map[string]command{
	"log":       {"[!] NAME REGEXP", inLog},
	"await-log": {"NAME REGEXP", awaitLog},
	"records":   {"FILE EVENT KEY...", records},
}

func inLog(s *scene, arguments []string) error {
	return with(s, arguments[0], func(p *rig.Process) error {
		text, err := p.Log()
		if err != nil {
			return err
		}
		found, err := regexp.Match(arguments[1], text)
		if err == nil && !found {
			err = fmt.Errorf("no %q in the log", arguments[1])
		}
		return err
	})
}

func awaitLog(s *scene, arguments []string) error {
	expression, err := regexp.Compile(arguments[1])
	if err != nil {
		return err
	}
	return with(s, arguments[0], func(p *rig.Process) error { return p.AwaitLog(expression) })
}

// records parses every line of a log file and looks for one record with an event and keys, some of which have a value.
func records(s *scene, arguments []string) error {
	content, err := os.ReadFile(s.MkAbs(arguments[0]))
	if err != nil {
		return err
	}
	event, keys := arguments[1], arguments[2:]
	best := []string{"no record of this event"}
	for line := range bytes.Lines(content) {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
		if record["event"] != event {
			continue
		}
		wrong := lacks(record, keys)
		if len(wrong) == 0 {
			return nil
		}
		best = append(wrong, string(line))
	}
	return fmt.Errorf("no record of %q has %q: %q", event, keys, best)
}

// lacks returns those keys that the record does not have, or has with another value.
func lacks(record map[string]any, keys []string) []string {
	var wrong []string
	for _, wanted := range keys {
		key, value, valued := strings.Cut(wanted, "=")
		have, ok := record[key]
		if !ok || valued && fmt.Sprint(have) != value {
			wrong = append(wrong, wanted)
		}
	}
	return wrong
}
