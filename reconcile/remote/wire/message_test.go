package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"lockstep/reconcile/tree"
)

// TestHostilePaths (X4): none of these is a path, whatever asks for it.
func TestHostilePaths(t *testing.T) {
	for _, path := range []string{
		"..", "../x", "a/..", "a/../b", "/", "/etc/passwd", "a/", "a//b", ".", "./a", "a/.", "a\x00b", "\x00",
		strings.Repeat("n", 256), strings.Repeat("a/", MaxPath),
	} {
		if _, err := ToPath([]byte(path)); err == nil {
			t.Errorf("%.40q is a path", path)
		}
		for _, m := range []*Action{{Kind: 1, Path: []byte(path)}, {Kind: 5, Path: []byte("x"), From: []byte(path)}} {
			if _, _, err := ToAction(m); err == nil {
				t.Errorf("%.40q is part of an action", path)
			}
		}
	}
	for _, path := range []string{"", "a", "a/b", "...", "a\\b", "C:", "\xff\xfe", "-rf", "a\nb"} {
		if p, err := ToPath([]byte(path)); err != nil || string(p) != path {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestHostileEntries(t *testing.T) {
	for name, m := range map[string]*Entry{
		"missing":        nil,
		"kind":           {Kind: 8},
		"size":           {Kind: 1, Size: -1},
		"folder size":    {Kind: 2, Size: 1},
		"mode":           {Kind: 1, Mode: 0o10000},
		"time":           {Kind: 1, Nanoseconds: 1e9},
		"link":           {Kind: 3, Link: make([]byte, MaxLink+1)},
		"link of a file": {Kind: 1, Link: []byte("x")},
		"NUL in link":    {Kind: 3, Link: []byte("a\x00b")},
		"name":           {Kind: 1, Name: []byte("../x")},
		"xattr room":     {Kind: 1, Xattrs: []*Xattr{{Name: []byte("user.x"), Value: make([]byte, MaxXattrs)}}},
		"xattr order":    {Kind: 1, Xattrs: []*Xattr{{Name: []byte("user.b")}, {Name: []byte("user.a")}}},
		"xattr twice":    {Kind: 1, Xattrs: []*Xattr{{Name: []byte("user.a")}, {Name: []byte("user.a")}}},
		"xattr name":     {Kind: 1, Xattrs: []*Xattr{{}}},
		"xattr nil":      {Kind: 1, Xattrs: []*Xattr{nil}},
	} {
		if e, err := ToEntry(m); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestEntriesComeBack(t *testing.T) {
	for _, e := range []tree.Entry{
		{},
		{Name: "f\xff", Kind: tree.File, Mode: 0o7777, UID: 1, GID: 1<<32 - 1, Size: 1 << 62, ModTime: tree.Time{Sec: -5, Nsec: 999_999_999}, ID: tree.ID{Dev: 1, Ino: 1 << 63}, Links: 3},
		{Name: "l", Kind: tree.Symlink, Link: "../\xfe"},
		{Name: "d", Kind: tree.BlockDevice, Device: 1 << 40, Mounted: true},
		{Name: "x", Kind: tree.Folder, Xattrs: []tree.Xattr{{Name: "user.a", Value: "\x00"}, {Name: "user.b"}}},
	} {
		raw, err := proto.Marshal(FromEntry(e))
		if err != nil {
			t.Fatal(err)
		}
		m := &Entry{}
		if err := proto.Unmarshal(raw, m); err != nil {
			t.Fatal(err)
		}
		back, err := ToEntry(m)
		if d := cmp.Diff(e, back); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	}
}

// TestErrorsCross (X23): what callers test for is found on the other side.
func TestErrorsCross(t *testing.T) {
	for _, err := range []error{
		tree.ErrChanged, tree.ErrConflict, tree.ErrNoParent, tree.ErrMount, tree.ErrReplicaReplaced, tree.ErrUnreachable,
		context.Canceled, fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, errors.ErrUnsupported, ErrHeld, ErrBusy, ErrVersion,
		syscall.ENOSPC, syscall.EROFS, syscall.EDQUOT, syscall.EIO, syscall.EACCES, syscall.ENAMETOOLONG,
		syscall.EXDEV, syscall.EMLINK, tree.ErrName, tree.ErrTwin, tree.ErrAttribute,
	} {
		wrapped := fmt.Errorf("copy: %w", err)
		back := ToError(FromError(wrapped))
		if !errors.Is(back, err) || back.Error() != wrapped.Error() {
			t.Errorf("%v became %v", wrapped, back)
		}
	}
	if FromError(nil) != nil || ToError(nil) != nil {
		t.Error("no error became one")
	}
}

// TestErrorTextsAreQuoted (X28): a peer cannot write into a log.
func TestErrorTextsAreQuoted(t *testing.T) {
	err := ToError(&Error{Text: "x\n2026 all is well \x1b[2J" + strings.Repeat("y", 10_000)})
	if text := err.Error(); strings.ContainsAny(text, "\n\x1b") || len(text) > 2*maxText {
		t.Errorf("%q", text)
	}
	if ToError(&Error{Code: 1 << 30, Errno: "EVIL"}).Error() == "" {
		t.Error("an error without a word")
	}
}

// FuzzMessages: what is taken is safe to carry out, and says the same again.
func FuzzMessages(f *testing.F) {
	add := func(m proto.Message) {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	add(FromEntry(tree.Entry{Name: "f", Kind: tree.File, Size: 3, Xattrs: []tree.Xattr{{Name: "user.a", Value: "b"}}}))
	add(FromAction(tree.Action{Kind: tree.Rename, Path: "a/b", From: "c", Want: tree.Entry{Kind: tree.Folder}}))
	add(FromOutcome(tree.Outcome{Did: tree.Copy, Bytes: 5, Err: tree.ErrConflict}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := &Entry{}
		if proto.Unmarshal(raw, e) == nil {
			if got, err := ToEntry(e); err == nil {
				back, err := ToEntry(FromEntry(got))
				if d := cmp.Diff(got, back); err != nil || d != "" {
					t.Fatalf("%v\n%s", err, d)
				}
			}
		}
		a := &Action{}
		if proto.Unmarshal(raw, a) == nil {
			got, _, err := ToAction(a)
			if err == nil && (got.Path.Check() != nil || got.From.Check() != nil || CheckAction(got) != nil) {
				t.Fatalf("%+v", got)
			}
			if err == nil && got.Kind != tree.Remove && a.Want != nil {
				got.Want.ID = tree.ID{} // does not travel
				back, _, err := ToAction(FromAction(got))
				if d := cmp.Diff(got, back); err != nil || d != "" || !IsPlanned(got.Want, back.Want) {
					t.Fatalf("%v\n%s", err, d)
				}
			}
		}
		o := &Outcome{}
		if proto.Unmarshal(raw, o) == nil {
			if got, err := ToOutcome(o); err == nil && (got.Bytes < 0 || got.Removed < 0) {
				t.Fatalf("%+v", got)
			}
		}
	})
}
