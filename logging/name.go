package logging

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name returns path as log records show it: one printable line of valid UTF-8 that [ParseName] turns back into the same
// bytes.
//
// A plain name is shown as it is, and the empty path, which is the root, as a dot. A name is quoted, in the ASCII form of
// [strconv.QuoteToASCII], when it is not valid UTF-8, holds a character that is not printable (controls, line and paragraph
// separators, bidirectional overrides, any space but U+0020, letters drawn as nothing), holds a double quote at its start
// or a backslash anywhere, begins or ends with a space, or is a dot itself. So what is shown begins with a double quote
// exactly if it is quoted, and no name can imitate the quoted form of another.
func Name(path string) string {
	switch {
	case path == "":
		return rootName
	case plain(path):
		return path
	}
	return strconv.QuoteToASCII(path)
}

const rootName = "."

// ParseName returns the bytes of the name that [Name] showed as s. A string that Name never returns is an error.
func ParseName(s string) (string, error) {
	switch {
	case s == rootName:
		return "", nil
	case plain(s):
		return s, nil
	}
	path, err := strconv.Unquote(s)
	if err != nil || Name(path) != s {
		return "", fmt.Errorf("parse name %q: not a form that names are shown in", s)
	}
	return path, nil
}

func plain(s string) bool {
	if s == "" || s == rootName || s[0] == '"' || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return plainRunes(s[i:])
		case c < ' ' || c == '\\' || c == 0x7f:
			return false
		}
	}
	return true
}

func plainRunes(s string) bool {
	for i, r := range s {
		if r == '\\' || !visible(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
	}
	return true
}

// visible reports whether a terminal draws r as something a person can see and that stays where it is written.
func visible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800: // Hangul fillers and the empty Braille pattern: printable, yet blank
		return false
	}
	return strconv.IsPrint(r)
}

// printable returns s with everything that [Name] would quote for not being printable written as a Go escape. It is for error
// texts, which may carry names from elsewhere: nothing in them can break the line or the layout.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !visible(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if visible(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(s[i : i+size])
		} else {
			quoted := strconv.QuoteToASCII(s[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}
