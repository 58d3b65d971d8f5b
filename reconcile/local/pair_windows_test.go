package local

import "testing"

// The root of a volume is nothing without its separator.
func TestVolumesKeepTheirSeparator(t *testing.T) {
	for path, want := range map[string]string{
		`C:\`: `C:\`, `C:\\`: `C:\`, `C:\a\`: `C:\a`, `\`: `\`, `\\host\share\`: `\\host\share\`, `\\host\share\a\`: `\\host\share\a`,
	} {
		if got := trimSeparators(path); got != want {
			t.Errorf("%s: %s, not %s", path, got, want)
		}
	}
	if err := checkLinkOwners(t.TempDir()); err != nil {
		t.Error(err)
	}
}
