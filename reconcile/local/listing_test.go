package local

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

func TestInOrder(t *testing.T) {
	file, folder := at.Name{Name: "a", Kind: tree.File}, at.Name{Name: "b", Kind: tree.Folder}
	twice := inOrder([]at.Name{folder, file, {Name: "b", Kind: tree.File}, file})
	if len(twice) != 2 || twice[0] != file || twice[1].Name != "b" {
		t.Errorf("names that were told twice: %v", twice)
	}
	if diff := cmp.Diff([]at.Name{file, folder}, inOrder([]at.Name{folder, file})); diff != "" {
		t.Error(diff)
	}
}
