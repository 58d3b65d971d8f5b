package logging

import (
	"io"
	"os"

	"golang.org/x/term"
)

// elsewhere is the width of a terminal on which somebody else has the cursor now.
const elsewhere = -1

// terminalOf returns how to measure the width of the terminal that out is; false if it is none, or one that knows no
// escape sequences.
func terminalOf(out io.Writer) (width func() int, ok bool) {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return nil, false
	}
	fd := int(f.Fd())
	if !term.IsTerminal(fd) || !understandsEscapes(fd) {
		return nil, false
	}
	return func() int {
		if inBackground(fd) {
			return elsewhere
		}
		columns, _, err := term.GetSize(fd)
		if err != nil {
			return 0 // no live line; a terminal that went away shows at the next write
		}
		return columns
	}, true
}

func coloured() bool { return os.Getenv("NO_COLOR") == "" }
