package logging

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkActed tells one action to a file and to a text console, /dev/null, that Run serves.
func BenchmarkActed(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	mustDo(b, err)
	defer null.Close()
	live := NewLive(null, LineOnTerminal)
	defer startLive(live)()
	for _, bm := range []struct {
		name    string
		options Options
	}{
		{"file_and_text", Options{File: filepath.Join(b.TempDir(), "log"), Console: live}},
		{"text", Options{Console: live}},
		{"file", Options{File: filepath.Join(b.TempDir(), "log")}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			l, err := Open(bm.options)
			mustDo(b, err)
			defer l.Close()
			b.ReportAllocs()
			for b.Loop() {
				l.Acted(Acted{
					Action: "copy", Path: "docs/a.txt", Kind: "file", Bytes: 12345, Elapsed: 1234 * time.Microsecond, Cause: CauseEvent,
				})
			}
		})
	}
}

// BenchmarkActedTogether tells the actions of one batch to a file; one operation is one action.
func BenchmarkActedTogether(b *testing.B) {
	l, err := Open(Options{File: filepath.Join(b.TempDir(), "log")})
	mustDo(b, err)
	defer l.Close()
	batch := make([]Acted, 512)
	for i := range batch {
		batch[i] = Acted{
			Action: "copy", Path: "docs/a.txt", Kind: "file", Bytes: 12345, Elapsed: 1234 * time.Microsecond, Cause: CauseEvent,
		}
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch) {
		l.Acted(batch[:min(len(batch), b.N-n)]...)
	}
}

// BenchmarkProgress is what a pass pays for each file.
func BenchmarkProgress(b *testing.B) {
	l := newLive(nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Progress(Progress{Files: 1})
	}
}
