package tree

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What keeps a name of the source out of a replica that could hold the entry.
// Nothing at or below such a name is written.
var (
	// ErrName: the replica's file system does not take the name.
	ErrName = errors.New("the replica's file system does not take this name")
	// ErrTwin: another entry of the same folder has the name in the replica.
	ErrTwin = errors.New("in the replica it is one name with another entry")
)

// IsUnplaced reports whether err says that a name has no place in the replica.
// Only a change of the names themselves mends it.
func IsUnplaced(err error) bool { return errors.Is(err, ErrName) || errors.Is(err, ErrTwin) }

// Names says how a file system takes the names that it is given. The zero
// Names takes each for itself, whatever its bytes, as native ones do.
type Names struct {
	// Folds: an entry answers to more spellings than the one it is listed by.
	Folds bool
	// LosesCase and LosesForm: an entry is listed in another case of letters,
	// or another Unicode normalisation form, than it was made with.
	LosesCase, LosesForm bool

	// What no name may be: Refused are bytes that it may not hold. NoDotEnd
	// and NoSpaceEnd are about its last byte, NoDevices about names such as
	// CON and nul.txt, UTF8 about bytes that are not.
	Refused                               string
	NoDotEnd, NoSpaceEnd, NoDevices, UTF8 bool
	// Longest is how many bytes a name may have; 0 stands for [MaxName].
	Longest int
}

// WindowsRefused are the bytes that no name may hold on Windows, and on its
// file systems elsewhere (Naming Files, Paths, and Namespaces; learn.microsoft.com).
const WindowsRefused = "\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10" +
	"\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\"*:<>?\\|"

// devices are the names that Windows keeps for devices, with any extension.
var devices = []string{
	"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

// Plain reports whether n takes every name for itself.
func (n Names) Plain() bool { return n == Names{} }

// Check returns [ErrName] with the reason unless the file system takes name.
func (n Names) Check(name string) error {
	reason := ""
	switch {
	case n.Refused != "" && strings.ContainsAny(name, n.Refused):
		reason = fmt.Sprintf("it holds %q", name[strings.IndexAny(name, n.Refused)])
	case n.NoDotEnd && strings.HasSuffix(name, "."):
		reason = "it ends with a dot"
	case n.NoSpaceEnd && strings.HasSuffix(name, " "):
		reason = "it ends with a space"
	case n.NoDevices && isDevice(name):
		reason = "it stands for a device"
	case n.UTF8 && !utf8.ValidString(name):
		reason = "it is not UTF-8"
	case n.Longest > 0 && len(name) > n.Longest:
		reason = fmt.Sprintf("it is longer than %d bytes", n.Longest)
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrName, reason)
}

func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	return slices.Contains(devices, strings.ToLower(strings.TrimRight(stem, " ")))
}

// Gives reports whether the file system itself lists as listed what was made
// as name; else somebody gave it that spelling.
func (n Names) Gives(listed, name string) bool {
	switch {
	case listed == name:
		return true
	case FoldName(listed) != FoldName(name):
		return false
	case norm.NFC.String(listed) == norm.NFC.String(name):
		return n.LosesForm
	case foldCase(listed) == foldCase(name):
		return n.LosesCase
	}
	return n.LosesCase && n.LosesForm
}

// FoldName returns the same for names that differ in the case of letters and
// in Unicode normalisation only. Such names may be one name in a replica that
// [Names.Folds]; the replica has the last word on that.
func FoldName(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return norm.NFD.String(foldCase(norm.NFD.String(name)))
		}
	}
	return strings.ToLower(name)
}

// foldCase takes for each rune the least of those that differ from it in case
// only. Bytes that are not UTF-8 stay.
func foldCase(name string) string {
	var b strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError {
			b.WriteString(name[:size])
		} else {
			b.WriteRune(leastFold(r))
		}
		name = name[size:]
	}
	return b.String()
}

func leastFold(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	// Of ASCII letters the small ones are taken, as FoldName does.
	return unicode.ToLower(least)
}
