package bench_test

import (
	"path/filepath"
	"testing"

	"lockstep/e2e/rig"
)

// startLockstep runs lockstep with its defaults, but without a further pass while it is measured.
func startLockstep(b *testing.B, source, replica string) int {
	b.Helper()
	folder := b.TempDir()
	binary, err := rig.Build(b.Context(), folder)
	if err != nil {
		b.Fatal(err)
	}
	log := filepath.Join(folder, "log")
	process, err := rig.Start(rig.Command(false, binary, "--interval", "1h", "--quiet", "--log-file", log, source, replica), log)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(process.Kill)
	if err := process.Ready(); err != nil {
		b.Fatalf("%v\n%s", err, process.Output())
	}
	return process.ID()
}
