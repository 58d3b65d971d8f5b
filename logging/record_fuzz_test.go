package logging

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRecord tells of a path of any bytes: the record is one line of JSON from which the path can be read, and the console shows one
// line without anything that a terminal obeys.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{"docs/a.txt", "", "\n", "a\x1b[31mb", "\xff\xfe", `"quoted"`, "\u202e", "é\xc3", " "} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, path, from string) {
		var console, record bytes.Buffer
		for out, format := range map[*bytes.Buffer]Format{&console: FormatText, &record: FormatJSON} {
			l := openTest(t, Options{Console: newLive(out), Format: format})
			l.Acted(Acted{Action: "rename", Path: path, From: from, Kind: "file", Cause: CauseEvent})
		}
		var fields struct{ Path, From string }
		if err := json.Unmarshal(record.Bytes(), &fields); err != nil || strings.Count(record.String(), "\n") != 1 {
			t.Fatalf("record %q: %v", record.String(), err)
		}
		if have, err := ParseName(fields.Path); path != "" && (err != nil || have != path) {
			t.Errorf("%q was written as %q and read as %q, %v", path, fields.Path, have, err)
		}
		if have, err := ParseName(fields.From); from != "" && (err != nil || have != from) {
			t.Errorf("%q was written as %q and read as %q, %v", from, fields.From, have, err)
		}
		text := strings.TrimSuffix(console.String(), "\n")
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || !visible(r) && r != ' ' }) {
			t.Errorf("console shows %q", text)
		}
	})
}
