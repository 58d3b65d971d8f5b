package local

import (
	"errors"
	"io"
	"io/fs"
	"testing"

	"lockstep/reconcile/tree"
)

// Files that are opened one after the other, each in the room of the one before,
// are what they are when each is opened by itself, whichever tree they are of.
func TestOpenIn(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/first", "one")
	write(t, root+"/second", "another")
	write(t, root+"/empty", "")
	r, err := OpenReplica(root, ReplicaOptions{Durability: NeverSync})
	ok(t, err)
	defer r.Close()
	replica, err := r.Folder(tree.Root)
	ok(t, err)
	defer replica.Close()
	source := folderOf(t, sourceAt(t, root), tree.Root)
	bare := struct{ tree.SourceFolder }{source} // can only Open
	var used tree.Content
	for _, folder := range []tree.SourceFolder{source, replica, bare, source} {
		for name, want := range map[string]string{"first": "one", "second": "another", "empty": ""} {
			c, err := tree.OpenIn(folder, name, used)
			ok(t, err)
			content, err := io.ReadAll(io.NewSectionReader(c, 0, 100))
			ok(t, err)
			if string(content) != want || c.Entry().Name != name || c.Entry().Size != int64(len(want)) {
				t.Errorf("%q: %q, %+v", name, content, c.Entry())
			}
			ok(t, c.Changed())
			ok(t, c.Close())
			used = c
			if _, err := tree.OpenIn(folder, "missing", used); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a missing file: %v", err)
			}
		}
	}
}
