package main

import (
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// FuzzDuration reads durations: what the standard library reads means the same here, and what is read at all is written and read
// again as the same.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{
		"", "0", "90", "5m", "1h30m", "1d", "2w", "1w2d12h", "-5s", "1.5d", "1e3", "1e400", "NaN", "Inf", "0x10", "1_000", "d", "w1",
		"1d2w", "--5s", "1d-5s", "9223372036854775807ns", "15250w", "15251w", "1d1d", "١s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		have, err := parseDuration(text)
		want, stdErr := time.ParseDuration(text)
		if stdErr == nil && want.Abs() < centuries && (err != nil || !near(have, want)) {
			t.Errorf("%q is %v, %v, and not %v", text, have, err, want)
		}
		if err != nil {
			return
		}
		if have.Abs() >= centuries {
			return
		}
		if again, err := parseDuration(have.String()); err != nil || !near(again, have) {
			t.Errorf("%q is %v, which is read as %v, %v", text, have, again, err)
		}
	})
}

// centuries are longer than any flag allows, and near what a duration can hold.
const centuries = 200 * 365 * 24 * time.Hour

// near allows for what a float64 cannot tell apart, in durations of months.
func near(a, b time.Duration) bool {
	const bits = 52
	return math.Abs(float64(a)-float64(b)) <= math.Abs(float64(a))/(1<<bits)
}

// FuzzReorder gives command lines of any words. Each word comes out once, but for a "--", and every folder that is understood is one
// of the words. Who asks for help gets that alone.
func FuzzReorder(f *testing.F) {
	for _, seed := range []string{
		"source\x00replica", "--once\x00a\x00b", "a\x00-i\x0090\x00b\x00--quiet", "--\x00-a\x00-b", "verify\x00a\x00-q\x00b", "-", "--interval",
		"a\x00--\x00b\x00--\x00c", "--interval=1h\x00a\x00b", "-i\x00--\x00a\x00b", "--unknown", "a\x00b\x00-x=--", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, "\x00")
		app := newApp(io.Discard, io.Discard)
		ordered, err := reorder(app, append([]string{"lockstep"}, words...))
		if err != nil {
			return
		}
		if last := ordered[len(ordered)-1]; last == "--help" || last == "--version" { // and nothing else
			return
		}
		if have := sortedWithout(ordered[1:]); !slices.Equal(have, sortedWithout(words)) && !slices.Equal(have, slices.Sorted(slices.Values(words))) {
			t.Fatalf("%q became %q", words, ordered)
		}
		var folders []string
		app.Action = func(c *cli.Context) error { folders = c.Args().Slice(); return nil }
		for _, command := range app.Commands {
			command.Action = app.Action
		}
		if app.Run(ordered) != nil {
			return // a value that its flag does not take
		}
		for _, folder := range folders {
			if !slices.Contains(words, folder) {
				t.Errorf("%q became %q: nobody said %q", words, ordered, folder)
			}
		}
	})
}

// sortedWithout sorts words without the first "--".
func sortedWithout(words []string) []string {
	words = slices.Sorted(slices.Values(words))
	if at := slices.Index(words, "--"); at >= 0 {
		words = slices.Delete(words, at, at+1)
	}
	return words
}
