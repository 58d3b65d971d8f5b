package remote_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"lockstep/reconcile/remote/client"
)

// TestReadOnce counts what passes read: each side its own files, once, and the
// client no large one of which the server has another size.
func TestReadOnce(t *testing.T) {
	const large, small = 3<<20 + 1, 1000
	source, root := t.TempDir(), filepath.Join(t.TempDir(), "replica")
	write(t, filepath.Join(source, "large"), bytesOf(1, large))
	write(t, filepath.Join(source, "small"), bytesOf(2, small))
	r := newPlace(t, root).open(client.Options{})
	mirrorOnce(t, source, r)
	for range 2 {
		if report := equal(t, source, r); report.BytesRead != 2*(large+small) {
			t.Errorf("nothing changed: %d bytes", report.BytesRead)
		}
	}
	write(t, filepath.Join(source, "new"), bytesOf(3, small))
	if report := mirrorOnce(t, source, r); report.Drift != 2 || report.BytesRead != 2*(large+small)+small {
		t.Errorf("a new file: drift %d, %d bytes", report.Drift, report.BytesRead) // the folder's time, too
	}
	if err := os.Truncate(filepath.Join(root, "large"), 5); err != nil {
		t.Fatal(err)
	}
	if report := mirrorOnce(t, source, r); report.Drift != 1 || report.BytesRead != 2*2*small+5 {
		t.Errorf("another size: drift %d, %d bytes", report.Drift, report.BytesRead)
	}
	equal(t, source, r)
	if content, err := os.ReadFile(filepath.Join(root, "large")); err != nil || !bytes.Equal(content, bytesOf(1, large)) {
		t.Errorf("the large file is another one: %v", err)
	}
}
