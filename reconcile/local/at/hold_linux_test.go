package at

import (
	"errors"
	"io/fs"
	"testing"

	"lockstep/reconcile/tree"
)

// What is held keeps its attributes to itself: what takes its name gets none.
func TestHold(t *testing.T) {
	d := open(t, t.TempDir())
	for name, create := range map[string]func() error{
		"symlink": func() error { return d.Symlink("text", "name") },
		"fifo":    func() error { return d.Mknod("name", tree.FIFO, 0) },
		"folder":  func() error { return d.Mkdir("name") },
	} {
		t.Run(name, func(t *testing.T) {
			must(t, create())
			held, err := d.Hold("name")
			must(t, err)
			defer held.Close()
			must(t, d.Rename("name", d, "moved "+name, Replace))
			must(t, create())
			before, err := d.Look("name")
			must(t, err)

			want := tree.Time{Sec: 1_234_567_890, Nsec: 123_456_789}
			must(t, held.SetTime("", want))
			if before.Kind != tree.Symlink {
				must(t, held.SetMode("", 0o751))
			}
			moved, err := d.Look("moved " + name)
			must(t, err)
			if moved.ModTime != want || moved.Kind != tree.Symlink && moved.Mode != 0o751 {
				t.Errorf("what is held has become %+v", moved)
			}
			self, err := held.Self()
			must(t, err)
			if self.ID != moved.ID || self.Kind != moved.Kind {
				t.Errorf("%+v is held, not %+v", self, moved)
			}
			after, err := d.Look("name")
			must(t, err)
			if !after.Same(before) || after.Mode != before.Mode {
				t.Errorf("%+v has become %+v", before, after)
			}
			if after.Kind == tree.Folder {
				must(t, d.Rmdir("name"))
			} else {
				must(t, d.Unlink("name"))
			}
		})
	}
	if _, err := d.Hold("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is held: %v", err)
	}
	if _, err := d.Hold("a/b"); err == nil {
		t.Error("went below a name")
	}
}
