package logging

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// Scenarios: N14.
func TestName(t *testing.T) {
	for _, tc := range []struct{ path, shown string }{
		{"docs/a.txt", `docs/a.txt`},
		{"", `.`},
		{".", `"."`},
		{"./", `./`},
		{"-rf ~ $(x) 'y'", `-rf ~ $(x) 'y'`},
		{`say "hello"`, `say "hello"`},
		{"überraschung/日本語/😀", "überraschung/日本語/😀"},
		{"e\u0301", "e\u0301"}, // combining accent
		{"\ufffd", "\ufffd"},   // a real replacement character
		{`"quoted"`, `"\"quoted\""`},
		{`a\nb`, `"a\\nb"`},
		{`C:\x`, `"C:\\x"`},
		{" leading", `" leading"`},
		{"trailing ", `"trailing "`},
		{"a\nb", `"a\nb"`},
		{"a\r\tb", `"a\r\tb"`},
		{"\x1b[31mred", `"\x1b[31mred"`},
		{"del\x7f", `"del\x7f"`},
		{"c1\u009b31m", `"c1\u009b31m"`},
		{"latin\xe9", `"latin\xe9"`},
		{"é\xff", `"\u00e9\xff"`},
		{"\xed\xa0\x80", `"\xed\xa0\x80"`}, // a lone surrogate
		{"txt.\u202eexe", `"txt.\u202eexe"`},
		{"a\u2066b", `"a\u2066b"`},
		{"line\u2028para\u2029", `"line\u2028para\u2029"`},
		{"no-break\u00a0space", `"no-break\u00a0space"`},
		{"zero\u200bwidth", `"zero\u200bwidth"`},
		{"\ufeffbom", `"\ufeffbom"`},
		{"soft\u00adhyphen", `"soft\u00adhyphen"`},
		{"\u3164", `"\u3164"`},
		{"nul\x00", `"nul\x00"`},
	} {
		t.Run(strconv.QuoteToASCII(tc.path), func(t *testing.T) {
			if got := Name(tc.path); got != tc.shown {
				t.Errorf("Name(%q) = %s, want %s", tc.path, got, tc.shown)
			}
			checkName(t, tc.path)
		})
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, s := range []string{
		"", `"`, `"a`, `"a"`, `"."`[:2], "a\nb", `"\u00e9"`, `"\x41\n"`, `"a\nb" `, "a\xff", "\u202e", `a\b`, `"a\n"b"`,
	} {
		if path, err := ParseName(s); err == nil {
			t.Errorf("ParseName(%q) = %q, want an error", s, path)
		}
	}
}

// checkName holds what Name promises for every path.
func checkName(t *testing.T, path string) {
	t.Helper()
	shown := Name(path)
	back, err := ParseName(shown)
	if err != nil || back != path {
		t.Fatalf("ParseName(%q) = %q, %v, want %q", shown, back, err, path)
	}
	if shown == "" || !utf8.ValidString(shown) {
		t.Fatalf("Name(%q) = %q: empty or not valid UTF-8", path, shown)
	}
	for _, r := range shown {
		if !strconv.IsPrint(r) {
			t.Fatalf("Name(%q) = %q: %U is not printable", path, shown, r)
		}
	}
	if quoted := shown != path && path != ""; quoted != strings.HasPrefix(shown, `"`) {
		t.Fatalf("Name(%q) = %q: quoted and plain forms are confused", path, shown)
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"", ".", "a/b", `"`, `\`, "\xff", "\u202e", "é\xc3", "\xed\xa0\x80", "\ufffd\xff", " a", `"\u202e"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkName(t, s)
		// What is shown is what is meant: whatever can be parsed is the only form of its name.
		if path, err := ParseName(s); err == nil && Name(path) != s {
			t.Fatalf("ParseName(%q) = %q, which is shown as %q", s, path, Name(path))
		}
		if p := printable(s); !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return !visible(r) }) {
			t.Fatalf("printable(%q) = %q", s, p)
		}
	})
}
