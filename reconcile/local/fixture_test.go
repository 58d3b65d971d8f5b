package local

import (
	"os"
	"path/filepath"
	"testing"

	"lockstep/reconcile/tree"
)

// ok ends the test at an error of what only prepares it.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sourceAt(t testing.TB, path string) *Source {
	t.Helper()
	s, err := OpenSource(path)
	ok(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func folderOf(t testing.TB, s *Source, path tree.Path) tree.SourceFolder {
	t.Helper()
	f, err := s.Folder(path)
	ok(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t testing.TB, path, content string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(content), 0o644))
}
