package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lockstep/reconcile"
)

// specialKinds make something that is no file, and again something else of
// the same kind.
var specialKinds = map[string][2]func(path string) error{
	"symlink": {
		func(path string) error { return os.Symlink("text", path) },
		func(path string) error { return os.Symlink("another text", path) },
	},
	"FIFO": {
		func(path string) error { return unix.Mkfifo(path, 0o644) },
		func(path string) error { return unix.Mkfifo(path, 0o600) },
	},
	"device": {
		func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))) },
		func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) },
	},
}

// specialChanges are changes to a source in which a/1, a/2 and b/3 are one
// entry of some kind and other is another one of it. Each returns what a watch
// tells.
var specialChanges = map[string]func(t *testing.T, r *rig, another func(string) error) []string{
	"another name": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Link(r.in("a/2"), r.in("b/4")))
		return []string{"b/4"}
	},
	"first name of a single one": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Link(r.in("other"), r.in("a/other")))
		return []string{"a/other"}
	},
	"leader removed": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Remove(r.in("a/1")))
		return []string{"a/1"}
	},
	"all but one removed": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Remove(r.in("a/1")))
		must(t, os.Remove(r.in("b/3")))
		return []string{"b/3", "a/1"}
	},
	"time through the last name": func(t *testing.T, r *rig, _ func(string) error) []string {
		stamp := []unix.Timespec{{Sec: 1e9}, {Sec: 1e9, Nsec: 5}}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, r.in("b/3"), stamp, unix.AT_SYMLINK_NOFOLLOW))
		return []string{"b/3"}
	},
	"one replaced": func(t *testing.T, r *rig, another func(string) error) []string {
		must(t, another(r.in("a/temp")))
		must(t, os.Rename(r.in("a/temp"), r.in("a/1")))
		return []string{"a/temp", "a/1"}
	},
	"all replaced": func(t *testing.T, r *rig, another func(string) error) []string {
		must(t, another(r.in("temp")))
		for _, name := range []string{"a/1", "a/2", "b/3"} {
			must(t, os.Remove(r.in(name)))
			must(t, os.Link(r.in("temp"), r.in(name)))
		}
		must(t, os.Remove(r.in("temp")))
		return []string{"a/1", "a/2", "b/3", "temp"}
	},
	"split, otherwise equal": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Rename(r.in("other"), r.in("a/2")))
		return []string{"a/2", "other"}
	},
	"a file in the place of one": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Remove(r.in("a/1")))
		r.write("a/1", "content")
		return []string{"a/1"}
	},
	"folder with a name renamed": func(t *testing.T, r *rig, _ func(string) error) []string {
		must(t, os.Rename(r.in("a"), r.in("z")))
		return []string{"a", "z", "z/1", "z/2"}
	},
	"moved in from outside": func(t *testing.T, r *rig, _ func(string) error) []string {
		outside := filepath.Join(filepath.Dir(r.source), "outside")
		must(t, os.Link(r.in("b/3"), outside))
		must(t, os.Rename(outside, r.in("moved")))
		return []string{"moved"}
	},
}

// linkedSpecial makes a/1, a/2 and b/3 one entry, and other one that has all
// the same attributes.
func linkedSpecial(t *testing.T, mk func(string) error) *rig {
	if os.Getuid() != 0 {
		t.Skip("devices need root")
	}
	r := setUp(t, reconcile.Options{})
	r.write("a/x", "x", "b/x", "x")
	must(t, mk(r.in("a/1")))
	must(t, mk(r.in("other")))
	must(t, os.Link(r.in("a/1"), r.in("a/2")))
	must(t, os.Link(r.in("a/1"), r.in("b/3")))
	stamp := unix.NsecToTimespec(time.Now().UnixNano())
	for _, name := range []string{"a/1", "other"} {
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, r.in(name), []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW))
	}
	return r
}

func TestHardLinksOfSpecials(t *testing.T) {
	for kind, mk := range specialKinds {
		for name, change := range specialChanges {
			t.Run(kind+", "+name+", by events", func(t *testing.T) {
				r := linkedSpecial(t, mk[0])
				r.served(func(ctx context.Context) {
					r.wantEqual("at first")
					r.dirty(ctx, change(t, r, mk[1])...)
					r.wantEqual("after events")
					r.wantProof(ctx)
				})
			})
			t.Run(kind+", "+name+", by events of a fresh mirror", func(t *testing.T) {
				r := linkedSpecial(t, mk[0])
				r.once()
				r.renew()
				r.serve(func(ctx context.Context) {
					r.dirty(ctx, change(t, r, mk[1])...)
					r.pass(ctx)
					r.wantEqual("after events and a pass")
				})
			})
			t.Run(kind+", "+name+", by a pass", func(t *testing.T) {
				r := linkedSpecial(t, mk[0])
				r.once()
				change(t, r, mk[1])
				r.once()
				r.wantEqual("after a pass")
				if report := r.once(); report.Drift != 0 || !report.Equal {
					t.Errorf("second pass: %+v", report)
				}
			})
		}
	}
}

// Names that somebody planted in the replica are parted again.
//
// Scenarios: R12.
func TestPlantedLinksOfSpecials(t *testing.T) {
	plants := map[string]func(t *testing.T, r *rig, mk func(string) error){
		"between two groups": func(t *testing.T, r *rig, _ func(string) error) {
			must(t, os.Remove(r.at("a/1")))
			must(t, os.Link(r.at("other"), r.at("a/1")))
		},
		"from the outside": func(t *testing.T, r *rig, _ func(string) error) {
			must(t, os.Link(r.at("other"), filepath.Join(filepath.Dir(r.source), "outside")))
		},
		"an additional name": func(t *testing.T, r *rig, _ func(string) error) { must(t, os.Link(r.at("a/2"), r.at("a/0"))) },
		"a name parted": func(t *testing.T, r *rig, mk func(string) error) {
			must(t, os.Remove(r.at("a/2")))
			must(t, mk(r.at("a/2")))
		},
	}
	for kind, mk := range specialKinds {
		for name, plant := range plants {
			t.Run(kind+", "+name, func(t *testing.T) {
				r := linkedSpecial(t, mk[0])
				r.once()
				plant(t, r, mk[0])
				if report := r.once(); report.Drift == 0 || !report.Equal {
					t.Errorf("first pass: %+v", report)
				}
				r.wantEqual("after a pass")
				if report := r.once(); report.Drift != 0 || !report.Equal {
					t.Errorf("second pass: %+v", report)
				}
			})
		}
	}
}

// A name that leads its group, and was brought over before the search for the
// others, has them join it then.
func TestSpecialLeaderIsSearchedForLater(t *testing.T) {
	for kind, mk := range specialKinds {
		t.Run(kind, func(t *testing.T) {
			if os.Getuid() != 0 {
				t.Skip("devices need root")
			}
			r := setUp(t, reconcile.Options{})
			r.write("a/x", "x", "c/x", "x")
			for i := range 300 { // so that a search takes a while
				must(t, os.MkdirAll(r.in(fmt.Sprintf("b/%d/%d", i%20, i)), 0o755))
			}
			for _, name := range []string{"c/1", "c/2", "c/3"} {
				must(t, mk[0](r.in(name)))
			}
			r.served(func(ctx context.Context) {
				for _, name := range []string{"1", "2", "3"} { // the first makes the next searches wait
					must(t, os.Link(r.in("c/"+name), r.in("a/"+name)))
					r.dirty(ctx, "a/"+name)
					r.wantEqual("after a link")
				}
			})
		})
	}
}
