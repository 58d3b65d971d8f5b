package reconcile_test

// A name that cannot be linked in the replica is a copy there.

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

// apart is a mood in which no link leads into the folder apart or out of it.
func apart(a tree.Action) error {
	if a.Kind == tree.Link && strings.HasPrefix(string(a.From), "apart/") != strings.HasPrefix(string(a.Path), "apart/") {
		return fmt.Errorf("link: %w", syscall.EXDEV)
	}
	return nil
}

// setUpApart makes a rig of which the source has a folder apart, and the replica is in
// that mood.
func setUpApart(t *testing.T) (*rig, *moody) {
	t.Helper()
	r := setUp(t, reconcile.Options{})
	m := moodyReplica(r)
	m.set(apart)
	r.write("apart/other", "")
	return r, m
}

// wantCopy fails unless the replica has apart/name as a file of its own, equal to
// the one at name, which is first.
func wantCopy(r *rig, when string) {
	r.Helper()
	first, err := os.Stat(r.at("1"))
	must(r, err)
	other, err := os.Stat(r.at("apart/name"))
	must(r, err)
	want, have := read(r, r.in("1")), read(r, r.at("apart/name"))
	if os.SameFile(first, other) || want != have || read(r, r.at("1")) != want || first.Mode() != other.Mode() || !first.ModTime().Equal(other.ModTime()) {
		r.Fatalf("%s: %q (%v, %v), and as a copy %q (%v, %v)", when, want, first.Mode(), first.ModTime(), have, other.Mode(), other.ModTime())
	}
}

// A name that cannot be linked is a copy: it follows whatever is done through
// any of the names, is not brought over again by each pass, is told once, and
// becomes a link when that can be made.
func TestNameThatCannotBeLinkedIsACopy(t *testing.T) {
	t.Parallel()
	r, m := setUpApart(t)
	r.write("1", "first")
	must(t, os.Link(r.in("1"), r.in("2")))
	must(t, os.Link(r.in("1"), r.in("apart/name")))
	r.serve(func(ctx context.Context) {
		if report := r.pass(ctx); report.Problems != 1 || report.Equal {
			t.Errorf("first pass: %+v", report)
		}
		wantCopy(r, "after the first pass")
		r.log.acts()
		for range 2 {
			if report := r.pass(ctx); report.Problems != 1 || report.Equal || report.Repaired != 0 {
				t.Errorf("another pass: %+v", report)
			}
			if acts := r.log.acts(); len(acts) > 0 {
				t.Errorf("another pass did %q", acts)
			}
		}
		r.write("1", "by the first name")
		r.dirty(ctx, "1")
		wantCopy(r, "changed by the first name")
		r.write("apart/name", "by the name of the copy")
		r.dirty(ctx, "apart/name")
		wantCopy(r, "changed by the name of the copy")
		must(t, os.Chmod(r.in("2"), 0o600))
		r.dirty(ctx, "2")
		wantCopy(r, "mode changed by another name")
		r.write("2", "found by a pass")
		r.pass(ctx)
		wantCopy(r, "changed, and found by a pass")
		put(t, r.at("apart/name"), "tampered with")
		r.pass(ctx)
		wantCopy(r, "tampered with")

		problems := r.log.trouble()
		want := `cannot be linked to "1": invalid cross-device link; it is a copy`
		if len(problems) != 1 || problems[0].Path != "apart/name" || problems[0].Err.Error() != want {
			t.Errorf("told of %v, want %s once", problems, want)
		}
		if len(r.log.solved) > 0 {
			t.Errorf("told that %q is well", r.log.solved)
		}
		m.set(well)
		if report := r.pass(ctx); !report.Equal {
			t.Errorf("when it can be linked: %+v", report)
		}
		r.wantEqual("when it can be linked")
		if !slices.Equal(r.log.solved, []tree.Path{"apart/name"}) {
			t.Errorf("told that %q is well", r.log.solved)
		}
	})
}

// A process that knows nothing of the one before finds the copies, and brings
// nothing over.
func TestCopiesOutliveTheProcess(t *testing.T) {
	t.Parallel()
	r, _ := setUpApart(t)
	r.write("1", "content")
	must(t, os.Link(r.in("1"), r.in("2")))
	must(t, os.Link(r.in("1"), r.in("apart/name")))
	r.once()
	if report := r.once(); report.Problems != 1 || report.Repaired != 0 {
		t.Errorf("%+v", report)
	}
	if acts := r.log.acts(); len(acts) > 0 {
		t.Errorf("it did %q", acts)
	}
	wantCopy(r, "afterwards")
}

// The name that leads may go, or another one may come to lead.
func TestAnotherNameLeadsCopies(t *testing.T) {
	t.Parallel()
	r, _ := setUpApart(t)
	r.write("1", "content")
	must(t, os.Link(r.in("1"), r.in("apart/2")))
	must(t, os.Link(r.in("1"), r.in("apart/3")))
	r.serve(func(ctx context.Context) {
		r.pass(ctx)
		must(t, os.Link(r.in("1"), r.in("0")))
		r.dirty(ctx, "0")
		must(t, os.Remove(r.in("1")))
		r.dirty(ctx, "1")
		if report := r.pass(ctx); report.Problems != 2 {
			t.Errorf("%+v", report)
		}
		must(t, os.Remove(r.in("0")))
		r.dirty(ctx, "0")
		r.pass(ctx)
		r.wantEqual("when those that are left can be linked")
		r.wantProof(ctx)
	})
}

// Symlinks have several names, too.
func TestSymlinkThatCannotBeLinkedIsACopy(t *testing.T) {
	t.Parallel()
	r, m := setUpApart(t)
	must(t, os.Symlink("text", r.in("1")))
	must(t, os.Link(r.in("1"), r.in("apart/name")))
	r.serve(func(ctx context.Context) {
		for range 2 {
			if report := r.pass(ctx); report.Problems != 1 {
				t.Errorf("%+v", report)
			}
		}
		if text, err := os.Readlink(r.at("apart/name")); text != "text" {
			t.Errorf("%q, %v", text, err)
		}
		if told := r.log.trouble(); len(told) != 1 || len(r.log.solved) > 0 {
			t.Errorf("told of %v, and that %q is well", told, r.log.solved)
		}
		r.log.acts()
		r.pass(ctx)
		if acts := r.log.acts(); len(acts) > 0 {
			t.Errorf("another pass did %q", acts)
		}
		m.set(well)
		r.pass(ctx)
		r.wantEqual("when it can be linked")
	})
}
